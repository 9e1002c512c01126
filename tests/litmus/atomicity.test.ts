/**
 * Read-modify-write instructions, reservations and locks on harts in threads of their own: nothing is lost, torn or
 * let through. Spec: RISC-V Unprivileged 20240411, chapter 13.
 */
import { availableParallelism } from "node:os";
import { afterAll, describe, expect, test } from "vitest";
import type { BareMemory } from "#cpu/testing/bare-machine.ts";
import type { Assembler } from "#cpu/testing/assembler.ts";
import { ENGINES, type EngineName } from "../../tools/differential/engine.ts";
import {
  AQ,
  barrier,
  CELL_BYTES,
  DATA,
  fence,
  program,
  type Program,
  R,
  RL,
  RW,
  T0,
  T1,
  T2,
  W,
  waitUntil,
  ZERO,
} from "./guest.ts";
import { HartMachines } from "./harts.ts";

const TURNS = 100_000;
/** Of locks: fair ones make a hart wait for another that the host does not run. */
const LOCKED_TURNS = 5000;
/** Turns of tests whose harts wait for each other in each. */
const HANDSHAKES = 5000;
const ATTEMPTS = 20;

/** Registers: pointers to cells of their own, what the turn counts, the hart. */
const [MEETING, SHARED, LOCK, OTHER, LOG] = [10, 11, 12, 13, 14] as const;
const [LEFT, HART, SEEN, VALUE] = [8, 9, 15, 16] as const;
const cell = (index: number): number => DATA + index * CELL_BYTES;
const CELLS = { meeting: cell(0), shared: cell(1), lock: cell(2), other: cell(3) } as const;
const LOG_AT = DATA + 0x1_0000;
const LOG_BYTES = 0x10_0000;

type Body = (a: Assembler, hart: number) => void;

/** A program in which each hart does `body` `turns` times, once all are there. */
function turns(harts: number, count: number, body: Body): Program {
  return program(
    Array.from({ length: harts }, (_, hart) => (a: Assembler) => {
      a.address(MEETING, CELLS.meeting);
      a.address(SHARED, CELLS.shared);
      a.address(LOCK, CELLS.lock);
      a.address(OTHER, CELLS.other);
      a.address(LOG, LOG_AT + hart * LOG_BYTES);
      a.value(HART, hart);
      a.value(LEFT, count);
      barrier(a, MEETING, harts);
      const again = a.at;
      body(a, hart);
      a.op("addi", { rd: LEFT, rs1: LEFT, imm: -1 });
      a.op("beq", { rs1: LEFT, rs2: ZERO, imm: 8 });
      a.op("jal", { rd: ZERO, imm: again - a.at });
    }),
  );
}

const word = (memory: BareMemory, address: number): number => {
  const bytes = memory.bytes(address, 4);
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true);
};
const dword = (memory: BareMemory, address: number): bigint => {
  const bytes = memory.bytes(address, 8);
  return new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true);
};
const logOf = (memory: BareMemory, hart: number, count: number): Int32Array => {
  const bytes = memory.bytes(LOG_AT + hart * LOG_BYTES, 4 * count);
  return new Int32Array(bytes.buffer, bytes.byteOffset, count).slice();
};
const addToLog = (a: Assembler, register: number): void => {
  a.op("sw", { rs1: LOG, rs2: register, imm: 0 });
  a.op("addi", { rd: LOG, rs1: LOG, imm: 4 });
};

const addByAmo =
  (width: "w" | "d"): Body =>
  (a) => {
    a.value(T0, 1);
    a.op(`amoadd.${width}`, { rd: ZERO, rs1: SHARED, rs2: T0 });
  };
const addByReservation =
  (width: "w" | "d"): Body =>
  (a) => {
    const again = a.at;
    a.op(`lr.${width}`, { rd: T0, rs1: SHARED });
    a.op("addi", { rd: T0, rs1: T0, imm: 1 });
    a.op(`sc.${width}`, { rd: T1, rs1: SHARED, rs2: T0 });
    a.op("bne", { rs1: T1, rs2: ZERO, imm: again - a.at });
  };
/** Two harts in two ways at once: every hart with an odd number takes the second. */
const mixed =
  (even: Body, odd: Body): Body =>
  (a, hart) =>
    (hart % 2 === 0 ? even : odd)(a, hart);

const ADDERS: readonly (readonly [string, Body])[] = [
  ["amoadd.w", addByAmo("w")],
  ["amoadd.d", addByAmo("d")],
  ["lr.w and sc.w", addByReservation("w")],
  ["lr.d and sc.d", addByReservation("d")],
  ["amoadd.w beside lr.w and sc.w", mixed(addByAmo("w"), addByReservation("w"))],
];

/** One more in two words that lie apart, by plain loads and stores. */
function addPlainly(a: Assembler): void {
  for (const pointer of [SHARED, OTHER]) {
    a.op("ld", { rd: T0, rs1: pointer, imm: 0 });
    a.op("addi", { rd: T0, rs1: T0, imm: 1 });
    a.op("sd", { rs1: pointer, rs2: T0, imm: 0 });
  }
}
const whenZero = (): { branch: string; rs1: number; rs2: number } => ({ branch: "beq", rs1: T0, rs2: ZERO });

const LOCKS: readonly (readonly [string, Body])[] = [
  [
    "amoswap.aq and amoswap.rl",
    (a) => {
      waitUntil(a, () => {
        a.value(T0, 1);
        a.op("amoswap.w", { rd: T0, rs1: LOCK, rs2: T0 }, AQ);
        return whenZero();
      });
      addPlainly(a);
      a.op("amoswap.w", { rd: ZERO, rs1: LOCK, rs2: ZERO }, RL);
    },
  ],
  [
    "lr.aq and sc, fence and a plain store",
    (a) => {
      waitUntil(a, () => {
        a.op("lr.w", { rd: T0, rs1: LOCK }, AQ);
        a.over("bne", { rs1: T0, rs2: ZERO }, () => {
          a.value(T1, 1);
          a.op("sc.w", { rd: T0, rs1: LOCK, rs2: T1 });
        });
        return whenZero();
      });
      fence(a, R, RW);
      addPlainly(a);
      fence(a, RW, W);
      a.op("sw", { rs1: LOCK, rs2: ZERO, imm: 0 });
    },
  ],
  [
    "tickets",
    (a) => {
      a.value(T0, 1);
      a.op("amoadd.w", { rd: T1, rs1: LOCK, rs2: T0 });
      waitUntil(a, () => {
        a.op("lw", { rd: T0, rs1: LOCK, imm: 64 });
        return { branch: "beq", rs1: T0, rs2: T1 };
      });
      fence(a, R, RW);
      addPlainly(a);
      fence(a, RW, W);
      a.op("addi", { rd: T1, rs1: T1, imm: 1 });
      a.op("sw", { rs1: LOCK, rs2: T1, imm: 64 });
    },
  ],
];

/** Peterson's lock of two harts: plain loads and stores, and fences. Flags at LOCK + 0 and 4, turn at + 8. */
const peterson: Body = (a, hart) => {
  const [own, others] = hart === 0 ? [0, 4] : [4, 0];
  a.value(T0, 1);
  a.op("sw", { rs1: LOCK, rs2: T0, imm: own });
  fence(a, W, W);
  a.value(T2, 1 - hart);
  a.op("sw", { rs1: LOCK, rs2: T2, imm: 8 });
  fence(a, RW, RW);
  waitUntil(a, () => {
    // Free when the other does not want it, or when it is our turn: T0 is 0 then.
    a.op("lw", { rd: T0, rs1: LOCK, imm: others });
    a.op("lw", { rd: T1, rs1: LOCK, imm: 8 });
    a.op("xor", { rd: T1, rs1: T1, rs2: T2 });
    a.op("sltiu", { rd: T1, rs1: T1, imm: 1 });
    a.op("and", { rd: T0, rs1: T0, rs2: T1 });
    return whenZero();
  });
  fence(a, R, RW);
  addPlainly(a);
  fence(a, RW, W);
  a.op("sw", { rs1: LOCK, rs2: ZERO, imm: own });
};

/** How the second hart changes the word that the first has reserved; the value is in VALUE and never the old one. */
const INTRUDERS: readonly (readonly [string, (a: Assembler) => void])[] = [
  ["sw", (a) => a.op("sw", { rs1: SHARED, rs2: VALUE, imm: 0 })],
  ["sb", (a) => a.op("sb", { rs1: SHARED, rs2: VALUE, imm: 0 })],
  ["amoswap.w", (a) => a.op("amoswap.w", { rd: ZERO, rs1: SHARED, rs2: VALUE })],
  ["sc.w", (a) => addByReservation("w")(a, 1)],
];

/** Waits until the word at LOCK + `offset` is LEFT, which both harts count down alike. */
const waitForTurn = (a: Assembler, offset: number): void => {
  waitUntil(a, () => {
    a.op("lw", { rd: T0, rs1: LOCK, imm: offset });
    return { branch: "beq", rs1: T0, rs2: LEFT };
  });
  fence(a, R, RW);
};
const tellTurn = (a: Assembler, offset: number): void => {
  fence(a, RW, W);
  a.op("sw", { rs1: LOCK, rs2: LEFT, imm: offset });
};

/** Hart 0 reserves, waits for hart 1's change, and stores conditionally; its log has sc's results. */
const intrusion =
  (intrude: (a: Assembler) => void): Body =>
  (a, hart) => {
    if (hart === 0) {
      a.op("lr.w", { rd: T1, rs1: SHARED });
      tellTurn(a, 0);
      waitForTurn(a, 64);
      a.value(T2, -1);
      a.op("sc.w", { rd: T1, rs1: SHARED, rs2: T2 });
      addToLog(a, T1);
    } else {
      waitForTurn(a, 0);
      a.op("addi", { rd: VALUE, rs1: LEFT, imm: 0 });
      intrude(a);
      tellTurn(a, 64);
    }
  };

describe.each([...ENGINES])("engine %s", (engine: EngineName) => {
  const machines = new HartMachines(engine);
  afterAll(() => machines.close());

  describe.each([2, 4])("%i harts", (count) => {
    test.each(ADDERS)("%s: no addition is lost", async (_name, body) => {
      const harts = await machines.of(count);
      await harts.run(turns(count, TURNS, body));
      expect(dword(harts.memory, CELLS.shared)).toBe(BigInt(count * TURNS));
    });

    test.each(LOCKS)("a lock of %s protects plain data", async (_name, body) => {
      const harts = await machines.of(count);
      await harts.run(turns(count, LOCKED_TURNS, body));
      const total = BigInt(count * LOCKED_TURNS);
      expect([dword(harts.memory, CELLS.shared), dword(harts.memory, CELLS.other)]).toEqual([total, total]);
    });

    test("amoswap.w: every value is handed on once", async () => {
      const harts = await machines.of(count);
      const code = turns(count, TURNS, (a) => {
        // LEFT * 4 + hart + 1: no two are alike.
        a.op("slli", { rd: T0, rs1: LEFT, imm: 2 });
        a.op("add", { rd: T0, rs1: T0, rs2: HART });
        a.op("addi", { rd: T0, rs1: T0, imm: 1 });
        a.op("amoswap.w", { rd: T1, rs1: SHARED, rs2: T0 });
        addToLog(a, T1);
      });
      await harts.run(code);
      const seen = Array.from({ length: count }, (_, hart) => [...logOf(harts.memory, hart, TURNS)]).flat();
      const all = new Set([...seen, word(harts.memory, CELLS.shared)]);
      // The 0 of the start and everybody's values.
      expect(all.size).toBe(count * TURNS + 1);
    });

    test("amomaxu.w: what is seen grows, and the greatest stays", async () => {
      const harts = await machines.of(count);
      const code = turns(count, TURNS, (a) => {
        a.value(T1, TURNS + 1);
        a.op("sub", { rd: T0, rs1: T1, rs2: LEFT });
        a.op("slli", { rd: T0, rs1: T0, imm: 2 });
        a.op("add", { rd: T0, rs1: T0, rs2: HART });
        a.op("amomaxu.w", { rd: T1, rs1: SHARED, rs2: T0 });
        addToLog(a, T1);
        addToLog(a, T0);
      });
      await harts.run(code);
      expect(word(harts.memory, CELLS.shared)).toBe(4 * TURNS + count - 1);
      for (let hart = 0; hart < count; hart++) {
        const pairs = logOf(harts.memory, hart, 2 * TURNS);
        const wrong = [...pairs.keys()].filter(
          (i) => i % 2 === 0 && i > 0 && (pairs[i] as number) < Math.max(...pairs.subarray(i - 2, i)),
        );
        expect(wrong).toEqual([]);
      }
    });

    test("amoxor.d and amoor.w: bits of several harts in one word stay apart", async () => {
      const harts = await machines.of(count);
      const code = turns(count, TURNS + 1, (a, hart) => {
        a.value(T0, 1 << hart);
        a.op("amoxor.d", { rd: ZERO, rs1: SHARED, rs2: T0 });
        a.op("amoor.w", { rd: ZERO, rs1: OTHER, rs2: T0 });
        a.value(T1, ~(1 << hart));
        a.op("amoand.w", { rd: T2, rs1: OTHER, rs2: T1 });
        a.op("and", { rd: T2, rs1: T2, rs2: T0 });
        a.op("add", { rd: SEEN, rs1: SEEN, rs2: T2 });
        a.op("sd", { rs1: LOG, rs2: SEEN, imm: 0 });
      });
      await harts.run(code);
      // An odd number of flips leaves each bit on; each hart found its own bit in the other word every time.
      expect(dword(harts.memory, CELLS.shared)).toBe(BigInt((1 << count) - 1));
      expect(word(harts.memory, CELLS.other)).toBe(0);
      for (let hart = 0; hart < count; hart++) {
        expect(dword(harts.memory, LOG_AT + hart * LOG_BYTES)).toBe(BigInt((TURNS + 1) << hart));
      }
    });
  });

  test("Peterson's lock of plain loads, stores and fences keeps two harts apart", async () => {
    const harts = await machines.of(2);
    await harts.run(turns(2, LOCKED_TURNS, peterson));
    const total = BigInt(2 * LOCKED_TURNS);
    expect([dword(harts.memory, CELLS.shared), dword(harts.memory, CELLS.other)]).toEqual([total, total]);
  });

  test("aligned loads and stores of 8 bytes are never torn", async () => {
    const harts = await machines.of(2);
    const code = turns(2, TURNS, (a, hart) => {
      if (hart === 0) {
        a.op("andi", { rd: T0, rs1: LEFT, imm: 1 });
        a.op("sub", { rd: T0, rs1: ZERO, rs2: T0 });
        a.op("sd", { rs1: SHARED, rs2: T0, imm: 0 });
        return;
      }
      // All ones and all zeros are one more than 0 or 1.
      a.op("ld", { rd: T0, rs1: SHARED, imm: 0 });
      a.op("addi", { rd: T0, rs1: T0, imm: 1 });
      a.op("sltiu", { rd: T0, rs1: T0, imm: 2 });
      a.op("add", { rd: SEEN, rs1: SEEN, rs2: T0 });
      a.op("sd", { rs1: LOG, rs2: SEEN, imm: 0 });
    });
    await harts.run(code);
    expect(dword(harts.memory, LOG_AT + LOG_BYTES)).toBe(BigInt(TURNS));
  });

  test.each(INTRUDERS)("sc.w fails after another hart's %s changed the reserved word", async (_name, intrude) => {
    const harts = await machines.of(2);
    await harts.run(turns(2, HANDSHAKES, intrusion(intrude)));
    expect(new Set(logOf(harts.memory, 0, HANDSHAKES))).toEqual(new Set([1]));
    expect(word(harts.memory, CELLS.shared)).not.toBe(-1);
  });

  test("sc.w goes through when the other hart left the word alone", async () => {
    const harts = await machines.of(2);
    await harts.run(
      turns(
        2,
        HANDSHAKES,
        intrusion(() => {}),
      ),
    );
    expect(new Set(logOf(harts.memory, 0, HANDSHAKES))).toEqual(new Set([0]));
    expect(word(harts.memory, CELLS.shared)).toBe(-1);
  });

  // What the tests above would see if the harts did not exclude each other, or did not run at the same time.
  test.skipIf(availableParallelism() < 2)("without a lock additions are lost", async () => {
    const harts = await machines.of(2);
    const code = turns(2, TURNS, (a) => addPlainly(a));
    let lost = false;
    for (let attempt = 0; attempt < ATTEMPTS && !lost; attempt++) {
      await harts.run(code);
      lost = dword(harts.memory, CELLS.shared) < BigInt(2 * TURNS);
    }
    expect(lost).toBe(true);
  });
});
