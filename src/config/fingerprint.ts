// Certificates by their SHA-256.
import { written } from './fields.ts';
import { parsed, refused } from './parsed.ts';

const FINGERPRINT = 'the SHA-256 fingerprint of a certificate: 64 hexadecimal digits';

/** Lower-case hexadecimal digits without colons. */
export const fingerprint = () =>
  written(FINGERPRINT, { title: 'fingerprint' }, (text) => {
    const digits = text.replaceAll(':', '').toLowerCase();
    return /^[0-9a-f]{64}$/.test(digits) ? parsed(digits) : refused(FINGERPRINT);
  });
