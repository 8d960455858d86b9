import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  clientFacts,
  describeCertificate,
} from '../../../../src/engine/shared/client-certificate.ts';
import { type IssueOptions, selfSigned } from '../../../support/pki.ts';

async function made(options: IssueOptions): Promise<X509Certificate> {
  return new X509Certificate((await selfSigned(options)).certPem);
}

describe('describeCertificate', () => {
  it('writes a name as RFC 4514 does, the most specific part first', async () => {
    for (const [subject, expected] of [
      ['CN=jane', 'CN=jane'],
      ['C=DE, O=Example, CN=jane', 'CN=jane,O=Example,C=DE'],
      ['CN="Doe, Jane"', 'CN=Doe\\, Jane'],
      ['CN="a + b"', 'CN=a \\+ b'],
      ['CN="a\\\\b"', 'CN=a\\\\b'],
      ['CN=Zoë', 'CN=Zo\\C3\\AB'],
    ] as const) {
      assert.equal(describeCertificate(await made({ subject }), 'subject'), expected);
    }
  });

  it('is one line of ASCII, whatever the certificate says', async () => {
    const certificate = await made({
      commonName: 'a\nX-Admin: 1',
      names: ['a.test\r\nX-Admin: 1', 'ü.test', 'b, DNS:c.test'],
    });
    for (const field of ['subject', 'issuer', 'names'] as const) {
      assert.match(describeCertificate(certificate, field), /^[\x20-\x7e]*$/);
    }
    assert.equal(describeCertificate(certificate, 'subject'), 'CN=a\\0AX-Admin: 1');
  });

  it('gives times in UTC and the serial number in upper case', async () => {
    const certificate = await made({
      serial: '0abc',
      notBefore: new Date('2026-01-02T03:04:05Z'),
      notAfter: new Date('2055-01-02T03:04:05Z'),
    });
    assert.equal(describeCertificate(certificate, 'serial'), '0ABC');
    assert.equal(describeCertificate(certificate, 'notBefore'), '2026-01-02T03:04:05Z');
    assert.equal(describeCertificate(certificate, 'notAfter'), '2055-01-02T03:04:05Z');
  });
});

describe('clientFacts', () => {
  const asked = {
    mode: 'request',
    ca: '',
    crl: '',
    headers: [
      { field: 'verified', name: 'X-Verified' },
      { field: 'subject', name: 'X-Subject' },
    ],
  } as const;

  it('says that there is no certificate, and nothing else of it', () => {
    const facts = clientFacts(asked, null);
    assert.deepEqual(facts?.fields, [{ name: 'X-Verified', value: '0' }]);
    assert.equal(facts?.identity.isVerified, false);
  });

  it('finds the common name as it is meant, not as it is written', async () => {
    for (const [subject, expected] of [
      ['C=DE, CN="Doe, Jane"', 'Doe, Jane'],
      ['CN=Zoë', 'Zoë'],
      ['CN="a + b"', 'a + b'],
      ['O=Example', ''],
    ] as const) {
      const facts = clientFacts(asked, await made({ subject }));
      assert.equal(facts?.identity.commonName, expected);
    }
  });

  it('is null where nobody asks for certificates', () => {
    assert.equal(clientFacts({ ...asked, mode: 'off', headers: [] }, null), null);
  });
});
