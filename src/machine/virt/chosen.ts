/**
 * The parts of a device tree that only the boot knows: /chosen, and /memory in a tree that the user brought (`-dtb`).
 *
 * Spec: Devicetree Specification 0.4, 3.4 (/memory) and 3.6 (/chosen); `linux,initrd-*` and `rng-seed` are
 * dt-schema's schemas/chosen.yaml.
 */
import { cells, cells64, type DeviceTree, type DeviceTreeNode, node, readCells, text } from "#machine/device-tree.ts";
import { VIRT_MEMORY_MAP } from "#machine/virt/memory-map.ts";

/** `[start, end)` in guest physical addresses. */
export type AddressRange = { readonly start: bigint; readonly end: bigint };

export type ChosenConfig = {
  readonly kernelCommandLine?: string | undefined;
  readonly initrd?: AddressRange | undefined;
  /** Fresh randomness for the kernel's pool, 32 bytes as QEMU gives. */
  readonly rngSeed?: Uint8Array | undefined;
};

/** Sets what `config` has and leaves the rest of /chosen, which is made when it is missing. */
export function patchChosen(tree: DeviceTree, config: ChosenConfig): void {
  const chosen = tree.root.children.find((child) => child.name === "chosen");
  setChosen(chosen ?? addRootChild(tree, node("chosen", {})), config);
}

/** Sets what `config` has in the node /chosen. */
export function setChosen(chosen: DeviceTreeNode, config: ChosenConfig): void {
  if (config.initrd !== undefined) {
    const { start, end } = config.initrd;
    // Both with the same width: one cell as long as it is enough, as QEMU does.
    const wide = end > 0xffff_ffffn;
    chosen.properties.set("linux,initrd-end", wide ? cells64(end) : cells(Number(end)));
    chosen.properties.set("linux,initrd-start", wide ? cells64(start) : cells(Number(start)));
  }
  if (config.rngSeed !== undefined) chosen.properties.set("rng-seed", config.rngSeed);
  if (config.kernelCommandLine) chosen.properties.set("bootargs", text(config.kernelCommandLine));
}

/** Makes a user's tree say how much memory the machine has, in the cell widths that the tree uses. */
export function patchMemory(tree: DeviceTree, memoryBytes: number): void {
  const addressCells = readCells(tree.root, "#address-cells")?.[0] ?? 2;
  const sizeCells = readCells(tree.root, "#size-cells")?.[0] ?? 1;
  const { base } = VIRT_MEMORY_MAP.dram;
  const memory =
    tree.root.children.find((child) => child.name === "memory" || child.name.startsWith("memory@")) ??
    addRootChild(tree, node(`memory@${base.toString(16)}`, {}));
  memory.properties.set("device_type", text("memory"));
  memory.properties.set("reg", cells(...toCells(base, addressCells), ...toCells(memoryBytes, sizeCells)));
}

/** `value` in big-endian cells; a tree with a silly width gets the low cells, and a kernel that tells so. */
function toCells(value: number, count: number): number[] {
  const words = [0, Math.floor(value / 2 ** 32), value % 2 ** 32];
  return words.slice(-Math.min(count, 3));
}

function addRootChild(tree: DeviceTree, child: DeviceTreeNode): DeviceTreeNode {
  tree.root.children.push(child);
  return child;
}
