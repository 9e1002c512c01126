/** The QEMUs that machines come from and go to, and how each is started. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { CACHE } from "../setup.mjs";
import { qemu11Folder } from "./install-qemu11.mjs";

export type Qemu = {
  readonly name: string;
  readonly program: string;
  /** In front of the machine's options. */
  readonly args: readonly string[];
};
/** `missing` is a sentence: why, and what to do. */
export type FoundQemu = Qemu | { readonly missing: string };

const PROGRAM = "qemu-system-riscv64";

/** The CPU with what our default one has, as both QEMUs know it. */
const CPU =
  "rv64,h=false,zba=true,zbb=true,zbc=true,zbs=true,svinval=true,svnapot=true,svpbmt=true,sstc=true,debug=false";

/** QEMU 7.2, the one of this machine or of tools/peers. */
export function qemu7(): FoundQemu {
  const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), path.join(CACHE, "peers", "bin")];
  const program = folders.map((folder) => path.join(folder, PROGRAM)).find((file) => existsSync(file));
  if (program === undefined) return { missing: `${PROGRAM} is not here; run: node tools/peers/install-peers.mjs` };
  return ofVersion("7.2", { name: "QEMU 7.2", program, args: ["-cpu", CPU] });
}

/** QEMU 11.1 from our cache, by its own loader and libraries; nothing is fetched here. */
export function qemu11(): FoundQemu {
  const root = qemu11Folder();
  const program = path.join(root, "usr/bin", PROGRAM);
  if (!existsSync(program)) return { missing: "QEMU 11.1 is not here; run: node tools/peers/install-qemu11.mjs" };
  const libraries = path.join(root, "usr/lib/x86_64-linux-gnu");
  const loader = path.join(libraries, "ld-linux-x86-64.so.2");
  return ofVersion("11.1", {
    name: "QEMU 11.1",
    program: loader,
    args: ["--library-path", libraries, program, "-cpu", CPU],
  });
}

function ofVersion(wanted: string, qemu: Qemu): FoundQemu {
  const { error, stdout } = spawnSync(qemu.program, [...qemu.args, "--version"], { encoding: "utf8", timeout: 20_000 });
  if (error) return { missing: `${qemu.name} does not start: ${error.message}` };
  const version = /version (\d+\.\d+)/.exec(stdout)?.[1] ?? "none";
  return version === wanted ? qemu : { missing: `${qemu.program} is of version ${version}, not ${wanted}` };
}
