// What an export is, and the settings that a configuration of ours has no word for.

export interface Exported {
  readonly text: string;
  /** What the other program cannot do, each beginning with the path it was configured at; in `text` too, as comments. */
  readonly warnings: readonly string[];
}

/** What a certificate is for: host names, `*.example.com` among them, and the type of its key. */
export interface CertificateNames {
  readonly hosts: readonly string[];
  readonly keyType: string;
}

export interface ExportSettings {
  /** Processes of nginx, threads of HAProxy. */
  readonly workers: number;
  /** Connections to expect: nginx's worker_connections, HAProxy's maxconn. */
  readonly connections: number;
  /**
   * Where the program keeps its pid and its temporary files. It then stays in the foreground and writes its errors to
   * standard error. Left out: as the system's service would run it.
   */
  readonly folder?: string;
  /** Whom the program's workers run as. */
  readonly user?: string;
  /** nginx's stream module, needed for tcp and udp; null where it is built in. Left out: where Debian puts it. */
  readonly streamModule?: string | null;
  /**
   * What certificates are for, by certificateKey() of plan/credentials.ts: nginx has to be told which one serves which
   * name. Left out: only the first is used.
   */
  readonly certificates?: ReadonlyMap<string, CertificateNames>;
  /** The file of the system's CAs, for nginx. Left out: where Debian has it. */
  readonly systemCas?: string;
  /**
   * For a bench whose load sends none of it: leaves out what costs the other program time and only serves upgrades,
   * hop-by-hop fields, forwarded fields that clients made up, and kept connections that a target closed.
   */
  readonly isLean?: boolean;
}

/** Collects warnings, and gives each back as the comment to put where the setting would have been. */
export class Notes {
  readonly #warnings: string[] = [];

  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** Once for each path and message, however often the place is printed. */
  warn(path: string, message: string): string[] {
    const warning = `${path}: ${message}`;
    if (!this.#warnings.includes(warning)) this.#warnings.push(warning);
    return comment(warning);
  }
}

/** A comment of both programs; nothing in `text` can end it. */
export function comment(text: string): string[] {
  return [`# ${text.replace(/[^\x20-\x7e]+/g, ' ')}`];
}

/** Lines of a section, moved in. */
export function indent(lines: readonly string[]): string[] {
  return lines.map((line) => (line === '' ? '' : `  ${line}`));
}

/** A duration as both programs read it. */
export function duration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** A header field; how its value is written is the program's. */
export interface NamedField {
  readonly name: string;
  readonly value: string;
}
