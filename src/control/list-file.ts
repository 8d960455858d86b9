// A list of destinations from a file: one entry a line, or the lines of a hosts file. Lists come from elsewhere and are
// large, so a line that is wrong costs only itself, and reading lets other work go on in between.
import { isIP } from 'node:net';
import { setImmediate as otherWork } from 'node:timers/promises';
import { domainToASCII } from 'node:url';
import { parseAddressRange } from '../config/address.ts';
import { parseDestinationHost } from '../plan/destination-host.ts';
import type { LoadedList } from '../plan/forward-files.ts';
import { HostSetBuilder } from '../plan/host-set.ts';
import type { Cidr } from '../plan/plan.ts';
import { digestOf } from './digest.ts';
import type { FileReport } from './file-report.ts';
import { readInputFile } from './input-file.ts';

export interface ReadList extends LoadedList {
  /** Names and blocks. */
  readonly entries: number;
}

const MAX_BYTES = 512 * 1024 * 1024;
/** Some milliseconds of work. */
const LINES_A_TURN = 4096;
/** Of the lines that are wrong. */
const MAX_TOLD = 3;

/** What the hosts files that lists are made of begin with; it is not meant to be denied. */
const OWN_NAMES = new Set([
  'localhost',
  'localhost.localdomain',
  'local',
  'broadcasthost',
  'ip6-localhost',
  'ip6-loopback',
  'ip6-localnet',
  'ip6-mcastprefix',
  'ip6-allnodes',
  'ip6-allrouters',
  'ip6-allhosts',
]);

/** `path` names the list. null when the file cannot be read, which is in the report then. */
export async function readListFile(
  path: string,
  file: string,
  hasSubdomains: boolean,
  report: FileReport,
): Promise<ReadList | null> {
  const read = await readInputFile(file, MAX_BYTES);
  if (!read.ok) {
    report.problem(path, 'a list', `${file}, which ${read.reason}`, read.hint);
    return null;
  }
  // What a list denies would be allowed while somebody writes it anew in place.
  if (read.bytes.length === 0) {
    report.problem(path, 'a list', `${file}, which is empty`, 'write a comment into it: # empty');
    return null;
  }
  const builder = new ListBuilder(hasSubdomains);
  const isWhole = await eachLine(read.bytes, (line, number) => builder.add(line, number));
  if (!isWhole) report.warn(path, `${file} is not UTF-8 text throughout`);
  tell(path, file, builder, report);
  const { blocks } = builder;
  return {
    digest: digestOf(read.bytes, String(hasSubdomains)),
    hosts: builder.finish(),
    blocks,
    entries: builder.entries,
  };
}

/** false when some of it is not UTF-8. */
async function eachLine(
  bytes: Buffer,
  take: (line: string, number: number) => void,
): Promise<boolean> {
  let isWhole = true;
  let number = 0;
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.length : newline;
    const line = bytes.toString('utf8', at, end);
    at = end + 1;
    if (line.includes('\ufffd')) isWhole = false;
    take(number === 0 ? line.replace(/^\ufeff/, '') : line, ++number);
    if (number % LINES_A_TURN === 0) await otherWork();
  }
  return isWhole;
}

function tell(path: string, file: string, builder: ListBuilder, report: FileReport): void {
  const { wrong, wrongCount, adblockCount, entries } = builder;
  if (wrongCount > 0) {
    const places = wrong.map(({ line, text }) => `${file}:${line} (${JSON.stringify(text)})`);
    const rest = wrongCount > wrong.length ? `, and ${wrongCount - wrong.length} more` : '';
    report.warn(
      path,
      `${wrongCount === 1 ? 'a line is' : `${wrongCount} lines are`} no host, *.host, address or block and ${wrongCount === 1 ? 'counts' : 'count'} for nothing: ${places.join(', ')}${rest}`,
    );
  }
  if (adblockCount > 0) {
    report.warn(
      path,
      `${adblockCount} of the lines of ${file} are filters of an ad blocker, which count for nothing: take the list of plain hosts that its makers offer`,
    );
  }
  if (entries === 0) report.warn(path, `${file} has no entries`);
}

class ListBuilder {
  readonly blocks: Cidr[] = [];
  /** The first few. */
  readonly wrong: { readonly line: number; readonly text: string }[] = [];
  wrongCount = 0;
  adblockCount = 0;
  entries = 0;
  readonly #hasSubdomains: boolean;
  readonly #hosts = new HostSetBuilder();
  #names = 0;

  constructor(hasSubdomains: boolean) {
    this.#hasSubdomains = hasSubdomains;
  }

  add(raw: string, number: number): void {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    if (/^(?:!|@@|\||\[Adblock)|##|#@#|\^/i.test(line)) {
      this.adblockCount++;
      return;
    }
    const hash = line.search(/\s#/);
    const words = (hash < 0 ? line : line.slice(0, hash)).trim().split(/\s+/);
    const [first = '', ...names] = words;
    const isFine =
      names.length === 0
        ? this.#addEntry(first)
        : isIP(first) !== 0 && names.map((name) => this.#addHostsName(name)).every(Boolean);
    if (isFine) return;
    this.wrongCount++;
    if (this.wrong.length < MAX_TOLD) this.wrong.push({ line: number, text: line.slice(0, 60) });
  }

  finish(): Uint8Array {
    return this.#names === 0 ? new Uint8Array(0) : this.#hosts.finish();
  }

  #addHostsName(name: string): boolean {
    if (OWN_NAMES.has(name.toLowerCase()) || isIP(name) !== 0) return true;
    return this.#addHost(name, true, this.#hasSubdomains);
  }

  #addEntry(text: string): boolean {
    if (text.startsWith('*.')) return this.#addHost(text.slice(2), false, true);
    // As Squid writes a host and everything below it.
    if (text.startsWith('.')) return this.#addHost(text.slice(1), true, true);
    if (text.includes('/') || text.includes(':') || isIP(text) !== 0) return this.#addBlock(text);
    return this.#addHost(text, true, this.#hasSubdomains);
  }

  #addBlock(text: string): boolean {
    const block = parseAddressRange(text);
    if (!block.ok) return false;
    this.blocks.push(block.value);
    this.entries++;
    return true;
  }

  #addHost(text: string, exact: boolean, subdomains: boolean): boolean {
    const found = parseDestinationHost(isAscii(text) ? text : domainToASCII(text));
    if (found === null || found.kind !== 'name') return false;
    this.#hosts.add({ host: found.host, exact, subdomains });
    this.#names++;
    this.entries++;
    return true;
  }
}

function isAscii(text: string): boolean {
  return /^[\x21-\x7e]*$/.test(text);
}
