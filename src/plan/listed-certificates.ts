// The certificates that listeners show, as statistics and warnings list them.
import { type Config, serverTlsOf } from '../config/config.ts';
import { type Credentials, certificateKey } from './credentials.ts';

export interface ListedCertificate {
  readonly listener: string;
  /** Its file, or `acme example.com`. */
  readonly name: string;
  /** Host names and addresses that it is for. */
  readonly hosts: readonly string[];
  /** When it expires, in milliseconds since 1970. */
  readonly notAfterMs: number;
  /** `ec`, `rsa`, `ed25519`, … */
  readonly keyType: string;
}

/** In the order of the configuration: listener by listener, the first of each first. */
export function listCertificates(
  config: Config,
  { certificates }: Pick<Credentials, 'certificates'>,
): readonly ListedCertificate[] {
  return Object.entries(config.listeners).flatMap(([listener, one]) =>
    (serverTlsOf(one)?.certificates ?? []).flatMap((written) => {
      const loaded = certificates.get(certificateKey(written));
      if (loaded === undefined) return [];
      const { name, hosts, notAfterMs, keyType } = loaded;
      return [{ listener, name, hosts, notAfterMs, keyType }];
    }),
  );
}
