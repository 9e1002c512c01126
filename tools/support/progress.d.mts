export type Log = {
  step(text: string): void;
  update(text: string): void;
  done(text?: string): void;
  note(text: string): void;
  fail(text: string): void;
};

export function createProgress(stream?: { isTTY?: boolean; columns?: number; write(text: string): unknown }): Log;
