/** Damaged files: valid ones with a few changes that a reader may fall over. */
import * as fc from "fast-check";
/** One of `seeds` with up to six changes; none is possible, too. */
export declare function damaged(...seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array>;
/** Damaged files, and now and then bytes without any form. */
export declare function damagedOrRandom(...seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array>;
/** `text` with a few characters put in, taken out or doubled. */
export declare function damagedText(text: fc.Arbitrary<string>): fc.Arbitrary<string>;
