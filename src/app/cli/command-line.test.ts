import { expect, test } from "vitest";
import type { MachineConfig } from "#machine/config.ts";
import { type HostOptions, parseCommandLine } from "./command-line.ts";

type Run = { readonly machine: MachineConfig; readonly host: HostOptions };

/** Splits at spaces; "~" stands for a space within an argument. */
function words(line: string): string[] {
  return line === "" ? [] : line.split(" ").map((word) => word.replaceAll("~", " "));
}

function run(argv: readonly string[]): Run {
  const result = parseCommandLine(argv);
  if (result.kind !== "run") throw new Error(`printed ${result.text}`);
  const { machine, host } = result;
  return { machine, host };
}

const MIB = 1024 * 1024;

test("an empty command line is QEMU's default machine, on virt", () => {
  expect(run([])).toEqual({
    machine: {
      machine: "virt",
      machineOptions: { aclint: false },
      cpu: { model: "rv64", features: {} },
      smp: { cpus: 1, sockets: 1, cores: 1, threads: 1 },
      memoryBytes: 128 * MIB,
      accel: { kind: "wasm" },
      boot: { bios: "default" },
      devices: [],
      drives: [],
      chardevs: [{ kind: "null", id: "serial0" }],
      serials: ["serial0"],
      rtc: { base: "utc" },
      objects: [],
      startStopped: false,
      onReboot: "reset",
      onShutdown: "poweroff",
    },
    host: {
      daemonize: false,
      logItems: [],
      trace: [],
      nographic: false,
      dataDirectories: [],
      messageTimestamps: false,
      messageGuestName: false,
      warnings: ["there is no window for the serial console: use -nographic to have it on this terminal"],
      monitors: [],
    },
  });
});

test("the command line of a management tool for a machine without PCI", () => {
  const argv = [
    ...words("-name guest=rv1,debug-threads=on -S"),
    ...words('-object {"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/vm/master-key.aes"}'),
    ...words("-machine virt,usb=off,dump-guest-core=off,memory-backend=riscv_virt_board.ram -accel tcg -m 256"),
    ...words('-object {"qom-type":"memory-backend-ram","id":"riscv_virt_board.ram","size":268435456}'),
    ...words("-object iothread,id=iothread1 -overcommit mem-lock=off -smp 2,sockets=2,cores=1,threads=1"),
    ...words("-uuid AAAAAAAA-0000-4000-8000-000000000001 -display none -no-user-config -nodefaults"),
    ...words("-rtc base=utc -no-shutdown -boot strict=on -kernel work/vmlinuz -initrd work/initrd.gz"),
    ...words("-append console=ttyS0~tick"),
    ...words(
      '-blockdev {"driver":"file","filename":"d.img","node-name":"l1s","auto-read-only":true,"discard":"unmap"}',
    ),
    ...words(
      '-blockdev {"node-name":"l1f","read-only":false,"discard":"unmap","driver":"raw","file":"l1s","cache":{"direct":true}}',
    ),
    ...words(
      "-device virtio-blk-device,drive=l1f,id=virtio-disk0,bootindex=1,iothread=iothread1,write-cache=on,serial=S1",
    ),
    ...words("-chardev pty,id=charserial0 -serial chardev:charserial0"),
    ...words('-audiodev {"id":"audio1","driver":"none"} -device {"driver":"virtio-balloon-device","id":"balloon0"}'),
    ...words('-object {"qom-type":"rng-random","id":"objrng0","filename":"/dev/urandom"}'),
    ...words('-device {"driver":"virtio-rng-device","rng":"objrng0","id":"rng0","max-bytes":1234,"period":1000}'),
    ...words("-sandbox off -msg timestamp=on"),
  ];
  const { machine, host } = run(argv);
  expect(machine).toEqual({
    machine: "virt",
    machineOptions: { aclint: false },
    cpu: { model: "rv64", features: {} },
    smp: { cpus: 2, sockets: 2, cores: 1, threads: 1 },
    memoryBytes: 256 * MIB,
    accel: { kind: "wasm" },
    boot: { bios: "default", kernel: "work/vmlinuz", initrd: "work/initrd.gz", append: "console=ttyS0 tick" },
    devices: [
      {
        driver: "virtio-blk-device",
        id: "virtio-disk0",
        properties: { drive: "l1f", bootindex: 1, iothread: "iothread1", "write-cache": "on", serial: "S1" },
      },
      { driver: "virtio-balloon-device", id: "balloon0", properties: {} },
      { driver: "virtio-rng-device", id: "rng0", properties: { rng: "objrng0", "max-bytes": 1234, period: 1000 } },
    ],
    drives: [
      {
        id: "l1f",
        fileNode: "l1s",
        isNode: true,
        interface: "none",
        file: "d.img",
        format: "raw",
        readOnly: false,
        discard: true,
        noFlush: false,
      },
    ],
    chardevs: [{ kind: "pty", id: "charserial0" }],
    serials: ["charserial0"],
    rtc: { base: "utc" },
    objects: [
      { type: "secret", id: "masterKey0", properties: { format: "raw", file: "/var/lib/vm/master-key.aes" } },
      { type: "memory-backend-ram", id: "riscv_virt_board.ram", properties: { size: 268435456 } },
      { type: "iothread", id: "iothread1", properties: {} },
      { type: "rng-random", id: "objrng0", properties: { filename: "/dev/urandom" } },
    ],
    name: "rv1",
    uuid: "aaaaaaaa-0000-4000-8000-000000000001",
    startStopped: true,
    onReboot: "reset",
    onShutdown: "pause",
  });
  expect(host).toMatchObject({ messageTimestamps: true, warnings: [] });
});

test("a tool's probe of the binary", () => {
  const line =
    "-S -no-user-config -nodefaults -nographic -machine none,accel=kvm:tcg -qmp none -pidfile /tmp/p -daemonize";
  const { machine, host } = run(words(line));
  expect(machine).toMatchObject({ machine: "none", accel: { kind: "wasm" }, serials: [], chardevs: [] });
  expect(host).toMatchObject({ pidfile: "/tmp/p", daemonize: true });
  expect(host.warnings).toEqual(["invalid accelerator kvm", "falling back to tcg"]);
});

/** A quiet start for lines whose point is something else. */
const QUIET = words("-display none -nodefaults");

// biome-ignore format: a table
test.each<[string, Partial<MachineConfig>]>([
  ["-M none", { machine: "none" }],
  ["--machine type=virt,aclint=on,aia=none,usb=off,graphics=off,acpi=off", { machineOptions: { aclint: true } }],
  ["-M virt -M aclint=on", { machine: "virt", machineOptions: { aclint: true } }],
  ["-M virt,dumpdtb=a.dtb", { boot: { bios: "default", dumpdtb: "a.dtb" } }],
  ["-M virt,kernel=k,append=a,,b,initrd=i,dtb=d,firmware=none", { boot: { bios: "none", kernel: "k", append: "a,b", initrd: "i", dtb: "d" } }],
  ["-kernel a -kernel b -bios fw.bin -dtb x.dtb -append root=/dev/vda~ro", { boot: { bios: "fw.bin", kernel: "b", dtb: "x.dtb", append: "root=/dev/vda ro" } }],
  ["-cpu rv64,", { cpu: { model: "rv64", features: {} } }],
  ["-cpu max,zba=off,Zfh=yes,c=true,sv57=no,h=off,v=false", { cpu: { model: "max", features: { zba: false, zfh: true, c: true, sv57: false } } }],
  ["-cpu rv64,zba=off,zba=on,cbom_blocksize=64", { cpu: { model: "rv64", features: { zba: true } } }],
  ["-global rv64-riscv-cpu.sstc=off", { cpu: { model: "rv64", features: { sstc: false } } }],
  ["-smp 4", { smp: { cpus: 4, sockets: 1, cores: 4, threads: 1 } }],
  ["-smp 0x4", { smp: { cpus: 4, sockets: 1, cores: 4, threads: 1 } }],
  ["-smp cpus=2,maxcpus=4", { smp: { cpus: 2, sockets: 1, cores: 4, threads: 1 } }],
  ["-smp 2,cores=2", { smp: { cpus: 2, sockets: 1, cores: 2, threads: 1 } }],
  ["-smp cores=2,threads=2", { smp: { cpus: 4, sockets: 1, cores: 2, threads: 2 } }],
  ["-smp 8,sockets=2,threads=2", { smp: { cpus: 8, sockets: 2, cores: 2, threads: 2 } }],
  ["-smp 8,cores=2,dies=1,clusters=1", { smp: { cpus: 8, sockets: 4, cores: 2, threads: 1 } }],
  ["-smp 2 -smp threads=2", { smp: { cpus: 2, sockets: 1, cores: 1, threads: 2 } }],
  ["-M virt,smp.cpus=2", { smp: { cpus: 2, sockets: 1, cores: 2, threads: 1 } }],
  ["-smp 512", { smp: { cpus: 512, sockets: 1, cores: 512, threads: 1 } }],
  ["-m 512", { memoryBytes: 512 * MIB }],
  ["-m 1.5G", { memoryBytes: 1536 * MIB }],
  ["-m size=1G,slots=2,maxmem=2G", { memoryBytes: 1024 * MIB }],
  ["-m 0", { memoryBytes: 128 * MIB }],
  ["-m 1K -bios none", { memoryBytes: 8192 }],
  ["-object memory-backend-ram,id=r,size=256M -M virt,memory-backend=r", { memoryBytes: 256 * MIB }],
  ["-accel interp", { accel: { kind: "interp" } }],
  ["-accel lockstep", { accel: { kind: "lockstep" } }],
  ["-accel tcg,thread=multi,tb-size=64", { accel: { kind: "wasm" } }],
  ["-accel interp -accel wasm", { accel: { kind: "interp" } }],
  ["-M virt,accel=hvf:interp:tcg", { accel: { kind: "interp" } }],
  ["-rtc base=2020-01-01T10:00:00,clock=vm,driftfix=slew", { rtc: { base: Date.UTC(2020, 0, 1, 10) / 1000, clock: "vm" } }],
  ["-rtc base=localtime", { rtc: { base: "localtime" } }],
  ["-no-reboot -no-shutdown", { onReboot: "shutdown", onShutdown: "pause" }],
  ["-action reboot=shutdown,shutdown=pause,panic=none", { onReboot: "shutdown", onShutdown: "pause" }],
  ["-global virtio-mmio.force-legacy=false", { machineOptions: { aclint: false, virtioForceLegacy: false } }],
  ["-global driver=virtio-rng-device,property=period,value=5 -device virtio-rng-device", { devices: [{ driver: "virtio-rng-device", properties: { period: 5 } }] }],
  [
    "-device virtio-rng-device,id=a.b-c_d,bus=virtio-mmio-bus.3,nopacked",
    {
      devices: [{ driver: "virtio-rng-device", id: "a.b-c_d", properties: { bus: "virtio-mmio-bus.3", packed: false } }],
    },
  ],
  ["-nic none -net none -vga none -vnc none -parallel none -monitor none -qmp null -gdb none -audio none", { devices: [] }],
  ["-boot order=cd,menu=on,strict=on -overcommit mem-lock=on,cpu-pm=off -no-user-config", {}],
])("%s", (line, expected) => {
  expect(run([...QUIET, ...words(line)]).machine).toMatchObject(expected);
});

const DRIVE = {
  id: "",
  interface: "none",
  file: "a",
  format: "raw",
  readOnly: false,
  discard: false,
  noFlush: false,
} as const;

// biome-ignore format: a table
test.each<[string, readonly object[], readonly string[]]>([
  ["-drive file=a,if=none,id=d,format=raw", [{ ...DRIVE, id: "d" }], []],
  ["-drive file=a,,b,if=none", [{ ...DRIVE, id: "none0", file: "a,b" }], []],
  ["-drive file=a,format=raw", [{ ...DRIVE, id: "virtio0", index: 0 }], ["virtio0"]],
  ["a", [{ ...DRIVE, id: "virtio0", index: 0 }], ["virtio0"]],
  [
    "-hdb a -cdrom b",
    [
      { ...DRIVE, id: "virtio1", index: 1 },
      { ...DRIVE, id: "virtio2", index: 2, file: "b", readOnly: true },
    ],
    ["virtio1", "virtio2"],
  ],
  [
    "-drive if=virtio,file=a -drive if=virtio,file=b,unit=2,id=x",
    [
      { ...DRIVE, id: "virtio0", index: 0 },
      { ...DRIVE, id: "x", file: "b", index: 2 },
    ],
    ["virtio0", "x"],
  ],
  ["-drive file=file:a,if=none,readonly,cache=unsafe,discard=unmap,aio=threads,werror=stop,snapshot=off", [{ ...DRIVE, id: "none0", readOnly: true, noFlush: true, discard: true, writeErrors: "stop" }], []],
  ["-drive file=a,if=none,rerror=ignore,werror=report", [{ ...DRIVE, id: "none0", readErrors: "ignore", writeErrors: "report" }], []],
  ["-drive driver=raw,file.driver=file,file.filename=a,file.locking=off,if=none,cache.no-flush=on,media=disk", [{ ...DRIVE, id: "none0", noFlush: true }], []],
  [
    "-pflash a -drive if=pflash,file=b,unit=1,read-only=on",
    [
      { ...DRIVE, id: "pflash0", interface: "pflash", index: 0 },
      { ...DRIVE, id: "pflash1", interface: "pflash", index: 1, file: "b", readOnly: true },
    ],
    [],
  ],
  ["-blockdev driver=file,filename=a,node-name=n", [{ ...DRIVE, id: "n", isNode: true, isFileAlone: true }], []],
  ["-blockdev raw,node-name=n,file.driver=file,file.filename=a,read-only=on,file.cache.no-flush=on", [{ ...DRIVE, id: "n", isNode: true, readOnly: true, noFlush: true }], []],
  ["-blockdev file,filename=a,node-name=s,discard=unmap,read-only=on -blockdev raw,node-name=n,file=s", [{ ...DRIVE, id: "n", isNode: true, fileNode: "s", readOnly: true }], []],
  ["-blockdev file,filename=a,node-name=n -M virt,pflash1=n", [{ ...DRIVE, id: "n", isNode: true, isFileAlone: true, interface: "pflash", index: 1 }], []],
])("disks: %s", (line, drives, virtioDisks) => {
  const { machine } = run([...QUIET, ...words(line)]);
  expect(machine.drives).toEqual(drives.map((drive) => (virtioDisks.length > 0 ? { ...drive, interface: "none" } : drive)));
  expect(machine.devices.map((device) => device.properties["drive"])).toEqual(virtioDisks);
});

const SOCKET = { server: false, wait: false, reconnectSeconds: 0 } as const;

// biome-ignore format: a table
test.each<[string, readonly object[], readonly string[]]>([
  ["-nographic", [{ kind: "stdio", id: "serial0", signal: false, mux: true }], ["serial0"]],
  ["-nographic -monitor none", [{ kind: "stdio", id: "serial0", signal: true, mux: false }], ["serial0"]],
  ["-nographic -nodefaults", [], []],
  ["-nographic -nodefaults -serial stdio", [{ kind: "stdio", id: "serial0", signal: true, mux: false }], ["serial0"]],
  ["-nographic -serial mon:stdio", [{ kind: "stdio", id: "serial0", signal: false, mux: true }], ["serial0"]],
  ["-nodefaults", [], []],
  ["-display none", [{ kind: "null", id: "serial0" }], ["serial0"]],
  ["-display none -serial stdio", [{ kind: "stdio", id: "serial0", signal: true, mux: false }], ["serial0"]],
  ["-serial none", [{ kind: "null", id: "serial0" }], ["serial0"]],
  [
    "-serial null -serial vc:80Cx24C",
    [
      { kind: "null", id: "serial0" },
      { kind: "null", id: "serial1" },
    ],
    ["serial0", "serial1"],
  ],
  ["-serial mon:pty", [{ kind: "pty", id: "serial0", mux: true }], ["serial0"]],
  ["-serial file:a,append=on", [{ kind: "file", id: "serial0", path: "a,append=on", append: false }], ["serial0"]],
  ["-chardev file,id=f,path=a,append=on,input-path=i -serial chardev:f", [{ kind: "file", id: "f", path: "a", append: true, input: "i" }], ["f"]],
  ["-serial unix:/tmp/s,server,nowait", [{ ...SOCKET, kind: "unix", id: "serial0", path: "/tmp/s", server: true }], ["serial0"]],
  ["-serial unix:/tmp/s,server=on", [{ ...SOCKET, kind: "unix", id: "serial0", path: "/tmp/s", server: true, wait: true }], ["serial0"]],
  ["-serial tcp::4444,server=on,wait=off,nodelay", [{ ...SOCKET, kind: "tcp", id: "serial0", host: "", port: 4444, server: true }], ["serial0"]],
  ["-serial tcp:[::1]:4444", [{ ...SOCKET, kind: "tcp", id: "serial0", host: "::1", port: 4444 }], ["serial0"]],
  ["-chardev socket,id=s,host=h,port=1,reconnect=3 -serial chardev:s", [{ ...SOCKET, kind: "tcp", id: "s", host: "h", port: 1, reconnectSeconds: 3 }], ["s"]],
  ["-chardev stdio,id=c,mux=on,signal=off -serial chardev:c -mon chardev=c,mode=readline", [{ kind: "stdio", id: "c", mux: true, signal: false }], ["c"]],
])("character devices: %s", (line, chardevs, serials) => {
  const { machine } = run(words(line));
  expect(machine.chardevs).toEqual(chardevs);
  expect(machine.serials).toEqual(serials);
});

// biome-ignore format: a table
test.each<[string, readonly object[], readonly string[]]>([
  ["-nographic", [{ chardev: "serial0", mode: "readline", pretty: false }], ["serial0"]],
  ["-nographic -serial null", [{ chardev: "compat_monitor0", mode: "readline", pretty: false }], ["serial0", "compat_monitor0"]],
  ["-nographic -nodefaults", [], []],
  ["-nographic -monitor none", [], ["serial0"]],
  ["-nodefaults -serial mon:stdio", [{ chardev: "serial0", mode: "readline", pretty: false }], ["serial0"]],
  ["-nodefaults -monitor stdio", [{ chardev: "compat_monitor0", mode: "readline", pretty: false }], ["compat_monitor0"]],
  ["-nodefaults -qmp unix:a,server=on,wait=off -qmp-pretty tcp:h:1", [{ chardev: "compat_monitor0", mode: "control", pretty: false }, { chardev: "compat_monitor1", mode: "control", pretty: true }], ["compat_monitor0", "compat_monitor1"]],
  ["-nodefaults -chardev socket,id=m,fd=28,server=on,wait=off -mon chardev=m,id=monitor,mode=control", [{ chardev: "m", mode: "control", pretty: false }], ["m"]],
  ["-nodefaults -chardev null,id=m -mon m,mode=control,pretty=on", [{ chardev: "m", mode: "control", pretty: true }], ["m"]],
])("monitors: %s", (line, monitors, chardevs) => {
  const { machine, host } = run(["-display", "none", ...words(line)]);
  expect(host.monitors).toEqual(monitors);
  expect(machine.chardevs.map(({ id }) => id)).toEqual(chardevs);
});

test("disks with if=virtio come after the devices", () => {
  const { devices } = run([...QUIET, ...words("-drive if=virtio,file=a -device virtio-rng-device")]).machine;
  expect(devices.map((device) => device.driver)).toEqual(["virtio-rng-device", "virtio-blk-device"]);
});

test("consoles sit on the bus of their controller, and a muxed terminal may be shared", () => {
  const line =
    "-nodefaults -chardev stdio,id=c,mux=on -serial chardev:c -device virtio-serial-device,id=s " +
    "-device virtconsole,bus=s.0,chardev=c -device virtconsole,bus=s.0";
  expect(run(words(line)).machine.devices.map((device) => device.driver)).toEqual([
    "virtio-serial-device",
    "virtconsole",
    "virtconsole",
  ]);
});

test("what is about the process", () => {
  const line =
    "-d in_asm,int,trace:virtio* -d int -D log -trace kvm* -trace enable=-foo -L fw -L fw2 -name a,process=p -pidfile x";
  expect(run([...QUIET, ...words(line)]).host).toEqual({
    pidfile: "x",
    monitors: [],
    daemonize: false,
    logItems: ["in_asm", "int"],
    logFile: "log",
    trace: [{ pattern: "virtio*" }, { pattern: "kvm*" }, { pattern: "-foo" }],
    nographic: false,
    dataDirectories: ["fw", "fw2"],
    messageTimestamps: false,
    messageGuestName: false,
    processName: "p",
    warnings: [],
  });
});
