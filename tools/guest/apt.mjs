/**
 * The host's apt, over a state directory of our own: no root, nothing of the machine's own package state read or
 * changed. What is taken over from the machine: where its Debian mirror is, and how it is reached (proxy, login).
 * apt checks the signatures of the index and the hashes of every package; nothing here turns that off.
 */
import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GuestError } from "./guest-error.mjs";
import { run } from "../support/run.mjs";

const GUEST_ARCHITECTURE = "riscv64";
const KEYRINGS = ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/**
 * @typedef {{ name: string, version: string, architecture: string, sha256: string, sizeBytes: number, depends: string[] }} Package
 *   `depends` holds names only, all alternatives
 */

/** One suite of Debian for one architecture. Made by {@link openApt}. */
export class Apt {
  #env;
  #log;

  constructor(env, log) {
    this.#env = env;
    this.#log = log;
  }

  /** Downloads the suite's index; throws a GuestError when it is missing, unsigned or inconsistent. */
  async update() {
    // Without the option apt takes an index that it could not get for a warning.
    const result = await this.#run("apt-get", ["-o", "APT::Update::Error-Mode=any", "update"]);
    if (result.code !== 0) throw new GuestError("index", firstError(result));
  }

  /**
   * What the index says about a package, or undefined when it has none of that name.
   * @param {string} name
   * @returns {Promise<Package | undefined>}
   */
  async show(name) {
    const result = await this.#run("apt-cache", ["show", "--no-all-versions", name]);
    if (result.code !== 0) return undefined;
    const field = (key) => new RegExp(`^${key}: (.*)$`, "m").exec(result.stdout)?.[1] ?? "";
    const depends = `${field("Pre-Depends")},${field("Depends")}`
      .split(/[,|]/)
      .map((text) => text.trim().split(/[ :(]/)[0] ?? "");
    return {
      name: field("Package"),
      version: field("Version"),
      architecture: field("Architecture"),
      sha256: field("SHA256"),
      sizeBytes: Number(field("Size")),
      depends: depends.filter((text) => text !== ""),
    };
  }

  /**
   * Downloads packages (checked against the signed index) as .deb files into `folder`.
   * @param {readonly Package[]} packages
   * @param {string} folder
   */
  async download(packages, folder) {
    const names = packages.map((item) => `${item.name}=${item.version}`);
    const result = await this.#run("apt-get", ["download", ...names], folder);
    if (result.code !== 0) throw new GuestError("download", firstError(result));
  }

  async #run(program, args, cwd) {
    const onStatus = (line) => {
      const percent = /^dlstatus:[^:]*:([\d.]+):/.exec(line)?.[1];
      if (percent !== undefined) this.#log.update(`${Math.round(Number(percent))} %`);
    };
    try {
      return await run(program, ["-o", "APT::Status-Fd=3", ...args], { env: this.#env, cwd, onStatus });
    } catch (cause) {
      throw noApt(program, cause);
    }
  }
}

/**
 * Writes the private configuration below `folder` (which must be empty or absent) for one suite.
 *
 * @param {{ folder: string, suite: string, mirror: string, keyring: string,
 *   log: import("../support/progress.mjs").Log, architecture?: string }} options the guest's architecture unless given
 * @returns {Promise<Apt>}
 */
export async function openApt({ folder, suite, mirror, keyring, log, architecture = GUEST_ARCHITECTURE }) {
  for (const name of ["etc/empty", "state/lists/partial", "cache/archives/partial", "log"]) {
    await mkdir(join(folder, name), { recursive: true });
  }
  const lines = [
    ...(await hostTransportOptions()),
    ...Object.entries({
      "Dir::Etc": join(folder, "etc"),
      "Dir::Etc::main": "/dev/null",
      "Dir::Etc::parts": join(folder, "etc/empty"),
      "Dir::Etc::sourcelist": join(folder, "etc/sources.list"),
      "Dir::Etc::sourceparts": join(folder, "etc/empty"),
      "Dir::Etc::preferences": "/dev/null",
      "Dir::Etc::preferencesparts": join(folder, "etc/empty"),
      "Dir::Etc::trusted": "/dev/null",
      "Dir::Etc::trustedparts": join(folder, "etc/empty"),
      "Dir::Etc::netrc": "/etc/apt/auth.conf",
      "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d",
      "Dir::State": join(folder, "state"),
      "Dir::State::status": join(folder, "state/status"),
      "Dir::Cache": join(folder, "cache"),
      "Dir::Log": join(folder, "log"),
      "APT::Architecture": architecture,
      // The user that apt gives its rights up to could not read a folder of ours.
      "APT::Sandbox::User": "root",
      "Acquire::Languages": "none",
      "Acquire::GzipIndexes": "true",
      "Acquire::Check-Valid-Until": "false",
      "Acquire::Retries": "2",
      "Acquire::http::Timeout": "30",
      "Acquire::https::Timeout": "30",
    }).map(([key, value]) => `${key} "${value}";`),
    `APT::Architectures { "${architecture}"; };`,
  ];
  const configFile = join(folder, "etc/apt.conf");
  await writeFile(configFile, `${lines.join("\n")}\n`);
  await writeFile(join(folder, "etc/sources.list"), `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`);
  await writeFile(join(folder, "state/status"), "");
  return new Apt({ APT_CONFIG: configFile }, log);
}

/** The Debian mirrors that the machine's own apt uses, the most likely first. `TINAMOU_MIRROR` overrides them. */
export async function hostMirrors() {
  const named = process.env["TINAMOU_MIRROR"];
  if (named !== undefined && named !== "") return [named];
  const args = [
    "indextargets",
    "--format",
    "$(REPO_URI) $(CODENAME) $(SUITE) $(RELEASE) $(COMPONENT)",
    "Created-By: Packages",
  ];
  const result = await run("apt-get", args).catch((cause) => {
    throw noApt("apt-get", cause);
  });
  const all = result.stdout
    .split("\n")
    .filter((line) => line.endsWith(" main") && !/security|backports/.test(line))
    .map((line) => line.split(" ")[0]);
  const debian = all.filter((uri) => /debian/.test(uri));
  const mirrors = [...new Set(debian.length > 0 ? debian : all)];
  if (mirrors.length > 0) return mirrors;
  throw new GuestError(
    "no-mirror",
    "this machine's apt has no Debian source to take the guest from; set TINAMOU_MIRROR to the address of a Debian mirror",
  );
}

/** The file with Debian's archive keys. */
export async function archiveKeyring() {
  for (const file of KEYRINGS) {
    const there = await access(file).then(
      () => true,
      () => false,
    );
    if (there) return file;
  }
  throw new GuestError(
    "no-keyring",
    `Debian's archive keys are not on this machine (${KEYRINGS[0]}), so nothing could be checked; run: apt-get install debian-archive-keyring`,
  );
}

/** Lines of the machine's configuration about how a mirror is reached; its hooks and paths are left out. */
export async function hostTransportOptions() {
  const result = await run("apt-config", ["dump"]).catch(() => ({ stdout: "" }));
  return result.stdout.split("\n").filter((line) => /^Acquire::(http|https|ForceIPv4|ForceIPv6)\b.*";$/.test(line));
}

function firstError({ stdout, stderr }) {
  const lines = `${stderr}\n${stdout}`.split("\n").filter((line) => line.startsWith("E: "));
  return lines[0]?.slice(3).replace(/ *\[IP: [^\]]*\]/, "") ?? "apt failed without a message";
}

function noApt(program, cause) {
  return new GuestError(
    "no-apt",
    `the guest comes from Debian's packages, and ${program} could not be started; run this on Debian or Ubuntu, or give files of your own with -kernel, -initrd and -bios`,
    { cause },
  );
}
