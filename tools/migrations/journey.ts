/** What all modes share: a guest on its way, destinations, and one migration's settings. */
import { join } from "node:path";
import type { MigrateInfo } from "../peers/vm.ts";
import { Proxy } from "./proxy.ts";
import type { Random } from "./random.ts";
import { bootSide, type Side, type SideKind, waitingSide } from "./side.ts";
import { goesOn, until } from "./watch.ts";

export type Settings = {
  readonly smp: number;
  readonly memory: string;
  readonly checkMib: number;
  readonly kinds: readonly SideKind[];
  readonly folder: string;
};
export type Wanted = {
  readonly postcopy: boolean;
  readonly preempt: boolean;
  readonly returnPath?: boolean;
  readonly maxBandwidth: number;
  readonly maxPostcopyBandwidth?: number;
};

export const MIB = 1 << 20;
const OVER_LIMIT_MS = 120_000;
const OVER: readonly (string | undefined)[] = ["completed", "failed", "cancelled"];

export class Journey {
  readonly settings: Settings;
  readonly random: Random;
  /** Where the guest is. */
  #at: Side | undefined;
  #files = 0;
  #waiting: Side | undefined;

  constructor(settings: Settings, random: Random) {
    this.settings = settings;
    this.random = random;
  }

  /** The machine that runs the guest; boots one if there is none. */
  async source(): Promise<Side> {
    const { kinds, folder, checkMib } = this.settings;
    this.#at ??= await bootSide(this.random.one(kinds), this.settings, folder, checkMib);
    return this.#at;
  }

  async destination(kind: SideKind = this.random.one(this.settings.kinds)): Promise<Side> {
    const { folder } = this.settings;
    this.#waiting = await waitingSide(kind, this.settings, folder);
    return this.#waiting;
  }

  /** Settings on both sides; the destination listens, and the proxy before it, by unix or tcp. */
  async prepare(source: Side, destination: Side, wanted: Wanted): Promise<Proxy> {
    const { postcopy, preempt, returnPath = true } = wanted;
    const on = (names: readonly string[], state: boolean): object[] =>
      names.map((capability) => ({ capability, state }));
    const capabilities = [
      ...on(["return-path"], returnPath || postcopy),
      ...on(["postcopy-ram"], postcopy),
      ...on(["postcopy-preempt"], preempt),
    ];
    await source.execute("migrate-set-capabilities", { capabilities });
    await destination.execute("migrate-set-capabilities", {
      capabilities: [...capabilities, ...on(["postcopy-blocktime"], postcopy)],
    });
    await source.execute("migrate-set-parameters", {
      "max-bandwidth": wanted.maxBandwidth,
      "max-postcopy-bandwidth": wanted.maxPostcopyBandwidth ?? 0,
    });
    return this.listen(destination, "migrate-incoming");
  }

  /** Lets the destination listen by that command, and a proxy before it. */
  async listen(destination: Side, command: "migrate-incoming" | "migrate-recover"): Promise<Proxy> {
    const path = this.file("stream");
    if (this.random.below(2) === 0) {
      await destination.execute(command, { uri: `unix:${path}` });
      return Proxy.listen({ path }, `${path}p`);
    }
    const port = await freePort();
    await destination.execute(command, { uri: `tcp:127.0.0.1:${port}` });
    return Proxy.listen({ host: "127.0.0.1", port });
  }

  /** The guest has moved: its old place ends. */
  async arrive(destination: Side): Promise<void> {
    const old = this.#at;
    this.#at = destination;
    this.#waiting = undefined;
    await old?.end();
    await goesOn(destination);
  }
  /** The guest has stayed. */
  async stay(): Promise<void> {
    const [lost] = [this.#waiting];
    this.#waiting = undefined;
    await lost?.end();
    await goesOn(await this.source());
  }
  /** After an error: nothing of it is used any more. */
  async giveUp(): Promise<void> {
    const all = [this.#at, this.#waiting];
    this.#at = this.#waiting = undefined;
    for (const side of all) await side?.end().catch(() => {});
  }

  file(name: string): string {
    return join(this.settings.folder, `${name}${this.#files++}`);
  }
}

/** How it ended: completed, failed or cancelled. */
export async function untilOver(side: Side): Promise<MigrateInfo> {
  return until(`the end at the ${side.kind}`, OVER_LIMIT_MS, async () => {
    const info = await side.info();
    return OVER.includes(info.status) ? info : undefined;
  });
}

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(address && typeof address === "object" ? address.port : 0));
    });
  });
}
