/** Files of snapshots, as a host keeps them. */

/** Where a snapshot is: by its tag in the directory of snapshots, or anywhere by a path. */
export type SnapshotPlace = { readonly tag: string } | { readonly path: string };

/** An open snapshot file. Calls block for as long as the disk takes. Thread: any. */
export type SnapshotFile = {
  /** Tag or path, for messages. */
  readonly name: string;
  readonly sizeBytes: number;
  /** For other threads of the process. */
  readonly descriptor: number;
  /** Fills `into` from `offset` on. Throws the host's error, also when the file ends before. */
  read(offset: number, into: Uint8Array): void;
  close(): void;
};

/** A file under way: it has its name only once all of it is on stable storage. */
export type SnapshotWriter = {
  /** Appends; resolves when `bytes` may be reused. */
  write(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  /** Removes what was written. */
  abort(): Promise<void>;
};

/** Thread: machine. All calls throw or reject with the host's error, whose message is a sentence; a tag needs the directory. */
export type SnapshotStore = {
  readonly hasDirectory: boolean;
  /** Opens every file of the directory in turn; each is closed when the next is asked for. */
  files(): Iterable<SnapshotFile>;
  has(place: SnapshotPlace): boolean;
  open(place: SnapshotPlace): SnapshotFile;
  create(place: SnapshotPlace): Promise<SnapshotWriter>;
  /** False when there was none. */
  remove(place: SnapshotPlace): boolean;
};
