/** Cryptographic randomness from the host's generator. */
import { randomFillSync } from "node:crypto";
import type { Random } from "#core/host.ts";

export function nodeRandom(): Random {
  return { fill: (into) => void randomFillSync(into) };
}
