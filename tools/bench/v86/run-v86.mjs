/**
 * v86 as a process: a PC whose first serial port is stdin and stdout.
 *
 *   node run-v86.mjs FOLDER BIOS VGABIOS KERNEL INITRD "COMMAND LINE"
 *
 * FOLDER is that of the npm package; the others are files. Ends when stdin does.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const MEMORY_BYTES = 512 << 20;
const VIDEO_MEMORY_BYTES = 2 << 20;

const [folder, bios, vgaBios, kernel, initrd, cmdline] = process.argv.slice(2);
const image = (file) => {
  const bytes = readFileSync(file);
  return { buffer: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) };
};

const { V86 } = await import(pathToFileURL(join(folder, "build", "libv86.mjs")).href);
const emulator = new V86({
  wasm_path: join(folder, "build", "v86.wasm"),
  memory_size: MEMORY_BYTES,
  vga_memory_size: VIDEO_MEMORY_BYTES,
  bios: image(bios),
  vga_bios: image(vgaBios),
  bzimage: image(kernel),
  initrd: image(initrd),
  cmdline,
  autostart: true,
});

let pending = [];
emulator.add_listener("serial0-output-byte", (byte) => {
  if (pending.length === 0) setImmediate(flush);
  pending.push(byte);
});
function flush() {
  process.stdout.write(Buffer.from(pending));
  pending = [];
}

process.stdin.on("data", (bytes) => emulator.serial0_send(bytes.toString("latin1")));
process.stdin.on("end", () => process.exit(0));
