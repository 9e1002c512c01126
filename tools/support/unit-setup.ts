/** Unit tests run with the engine flags that the program sets. */
import { setEngineFlags } from "#app/engine-flags.ts";

setEngineFlags();
