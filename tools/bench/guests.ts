/** The guests that the suites run in: each is made when the first suite asks for it. */
import { readFileSync } from "node:fs";
import { fetchGuest } from "../guest/fetch-guest.mjs";
import { GuestError } from "../guest/guest-error.mjs";
import type { ExtraFile } from "../guest/initramfs.mjs";
import { fetchPackages, packageFiles } from "../guest/packages.mjs";
import type { Log } from "../support/progress.mjs";
import { guestPrograms } from "./guest-programs.ts";
import type { MachineFiles } from "./peers.ts";
import type { Suite } from "./suites.ts";
import { REAL_PACKAGES } from "./suites/real.ts";

export type SuiteGuest = {
  readonly guest: MachineFiles;
  /** Packages that the guest's Debian does not have. */
  readonly missing: readonly string[];
};

/** What stands in a guest's way, as a sentence. */
export type NoGuest = { readonly reason: string };

export class Guests {
  readonly #log: Log;
  #programs: readonly ExtraFile[] | undefined;
  readonly #made = new Map<string, Promise<SuiteGuest>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** The guest of `npm start`. Rejects with a GuestError. */
  plain(): ReturnType<typeof fetchGuest> {
    return fetchGuest({ log: this.#log });
  }

  /** Rejects with a BenchError when the programs cannot be compiled. */
  async of(suite: Suite): Promise<SuiteGuest | NoGuest> {
    const kind = suite.kind === "programs" ? (suite.guest?.kind ?? "programs") : "programs";
    const made = this.#made.get(kind) ?? this.#make(kind);
    this.#made.set(kind, made);
    try {
      return await made;
    } catch (error) {
      if (!(error instanceof GuestError)) throw error;
      return { reason: error.message };
    }
  }

  async #make(kind: "programs" | "packages" | "disk"): Promise<SuiteGuest> {
    this.#log.step("Compiling the programs and making the guest");
    this.#programs ??= guestPrograms();
    const extraFiles = [...this.#programs];
    let missing: readonly string[] = [];
    if (kind === "packages") {
      const { suite } = await this.plain();
      const packages = await fetchPackages({ wanted: REAL_PACKAGES, suite, log: this.#log });
      extraFiles.push(...(await packageFiles(packages.folder)));
      missing = packages.missing;
    }
    const guest = await fetchGuest({ log: this.#log, extraFiles, withModules: kind === "disk" });
    this.#log.done(`${(readFileSync(guest.initrd).length / 1e6).toFixed(0)} MB`);
    return { guest, missing };
  }
}
