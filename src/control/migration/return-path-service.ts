/**
 * What the destination says, heard at once, and the pages that it wants, sent at once over a connection of their own:
 * QEMU's return path thread. Without that connection requests are passed on like everything else.
 *
 *   channel -> messages -> handlers;   wanted -> page, if nobody has sent it -> urgent channel
 *
 * Thread: the link's, which has nothing else to do.
 */
import type { ByteChannel } from "#core/host.ts";
import { PageRequests } from "#control/migration/page-requests.ts";
import { type RamState, RamSaver } from "#control/migration/ram-save.ts";
import {
  type LastWord,
  readReturnPath,
  type ReturnPathHandlers,
  type WantedPages,
} from "#control/migration/return-path.ts";
import { StreamReader } from "#control/migration/stream-reader.ts";
import { StreamWriter } from "#control/migration/stream-writer.ts";
import { RamFlag } from "#control/migration/wire.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";

/** The part of a source that must not wait behind the stream. A channel stands for the link that it is the first of. */
export type ReturnPaths = {
  /** Reads what comes back over `channel`. As `readReturnPath`; rejects, too, when a wanted page cannot be sent. */
  read(channel: ByteChannel, handlers: ReturnPathHandlers): Promise<LastWord>;
  /** Wanted pages go over `urgent` from now on. */
  sendWanted(channel: ByteChannel, urgent: ByteChannel, ram: RamState): void;
  /** No wanted page follows. */
  endWanted(channel: ByteChannel): Promise<void>;
  /** The link is gone: nothing is sent over it any more. */
  end(channel: ByteChannel): void;
};

type Urgent = { readonly out: StreamWriter; readonly ram: RamSaver; readonly requests: PageRequests };

export class ReturnPathService implements ReturnPaths {
  readonly #memory: MigrationMemory;
  readonly #urgent = new Map<ByteChannel, Urgent>();

  constructor(memory: MigrationMemory) {
    this.#memory = memory;
  }

  read(channel: ByteChannel, handlers: ReturnPathHandlers): Promise<LastWord> {
    return new Promise((resolve, reject) => {
      const wanted = (pages: WantedPages): void => {
        const urgent = this.#urgent.get(channel);
        if (urgent) this.#send(urgent, pages).catch(reject);
        else handlers.wanted(pages);
      };
      readReturnPath(new StreamReader(channel), { ...handlers, wanted }).then(resolve, reject);
    });
  }

  sendWanted(channel: ByteChannel, urgent: ByteChannel, state: RamState): void {
    this.#urgent.set(channel, {
      out: new StreamWriter(urgent),
      ram: new RamSaver(this.#memory, state),
      requests: new PageRequests(),
    });
  }

  async endWanted(channel: ByteChannel): Promise<void> {
    const urgent = this.#urgent.get(channel);
    if (!urgent) return;
    await urgent.out.need(8);
    urgent.out.u64(RamFlag.Eos);
    await urgent.out.drain();
  }

  end(channel: ByteChannel): void {
    this.#urgent.get(channel)?.requests.end();
    this.#urgent.delete(channel);
  }

  /** Records alone, without a section. Nothing follows them that would tell of a failure, so they are waited for. */
  #send({ out, ram, requests }: Urgent, pages: WantedPages): Promise<void> {
    ram.countRequest();
    requests.add(pages);
    return requests.serve(
      ({ name, start, lengthBytes }) => ram.writeWanted(out, name, start, lengthBytes),
      () => out.drain(),
    );
  }
}
