// The schema of a route: what it matches, what it does, what it changes.
import { z } from 'zod';
import { hintForWord, integer, plainText, says, written } from './fields.ts';
import { fingerprint } from './fingerprint.ts';
import { parseHeaderName, parseHeaderValue } from './headers.ts';
import { parseAuthority, parseHostPattern } from './host.ts';
import { parsed, refused } from './parsed.ts';
import { parsePathPattern, parsePathPrefix } from './path.ts';
import { parseRedirect } from './redirect.ts';
import { compileRegex } from './regex.ts';

/** The largest `respond.body`. */
const MAX_BODY_BYTES = 65_536;

export type HostHeaderSetting =
  | { readonly kind: 'client' | 'target' }
  | { readonly kind: 'literal'; readonly value: string };

export interface HeaderEditSetting {
  readonly op: 'set' | 'add' | 'remove';
  readonly name: string;
  readonly value: string;
}

/** A key that may be left out: null in the Config. */
export function maybe<T extends z.ZodType>(schema: T) {
  return schema.optional().transform((value): z.output<T> | null => value ?? null);
}

export function hostHeader() {
  const expected = 'client, target, or a host such as example.com or example.com:8080';
  return written(
    expected,
    { title: 'client, target or host', examples: ['client', 'target', 'app.example.com'] },
    (text) => {
      if (text === 'client' || text === 'target') return parsed<HostHeaderSetting>({ kind: text });
      // A mistyped word would otherwise be taken for a host.
      const hint =
        text.includes('.') || text.includes(':')
          ? undefined
          : hintForWord(text, ['client', 'target']);
      if (hint !== undefined) return refused(expected, hint);
      const authority = parseAuthority(text);
      return authority.ok
        ? parsed<HostHeaderSetting>({ kind: 'literal', value: authority.value })
        : authority;
    },
  );
}

const headerName = () =>
  written(
    'the name of a header, such as X-Frame-Options',
    { title: 'header name' },
    parseHeaderName,
  );
const headerValue = () =>
  written(
    'the value of a header: one line of ASCII text',
    { title: 'header value' },
    parseHeaderValue,
    (input) =>
      typeof input === 'number' || typeof input === 'boolean'
        ? `put it in quotes: "${input}"`
        : undefined,
  );
/** Names are checked, and kept as they are, so that the record's keys stay text. */
const headerRecord = <T extends z.ZodType>(value: T) =>
  z.record(headerName().pipe(z.string()), value, says('a map of header names and values'));

function headerEdits() {
  return z
    .strictObject({
      set: headerRecord(headerValue())
        .prefault({})
        .describe('Replaces every header of that name, or adds one.')
        .meta({ examples: [{ 'X-Frame-Options': 'DENY' }] }),
      add: headerRecord(
        z.union([headerValue(), z.array(headerValue())], says('a value or a list of values')),
      )
        .prefault({})
        .describe('Adds headers beside those that are there; a list adds one each.'),
      remove: z
        .array(headerName(), says('a list of header names'))
        .prefault([])
        .describe(
          'Removes every header of these names. Removing comes first, then `set`, then `add`.',
        )
        .meta({ examples: [['Server', 'X-Powered-By']] }),
    })
    .transform(({ set, add, remove }): HeaderEditSetting[] => [
      ...remove.map((name) => ({ op: 'remove' as const, name, value: '' })),
      ...Object.entries(set).map(([name, value]) => ({ op: 'set' as const, name, value })),
      ...Object.entries(add).flatMap(([name, values]) =>
        [values].flat().map((value) => ({ op: 'add' as const, name, value })),
      ),
    ]);
}

function clientCertificateMatch() {
  return z
    .strictObject({
      verified: z
        .boolean(says('true or false'))
        .prefault(true)
        .describe('True: there is one, and it holds. False: there is none.'),
      commonName: maybe(
        plainText('the common name of a certificate').min(1, says('a common name')),
      ).describe('Its subject has this common name, letter for letter.'),
      fingerprint: maybe(fingerprint()).describe('It has this SHA-256 fingerprint.'),
    })
    .refine(
      ({ verified, commonName, fingerprint: digits }) =>
        verified || (commonName === null && digits === null),
      says('verified: true beside commonName and fingerprint'),
    );
}

function match() {
  return z
    .strictObject({
      host: maybe(
        written(
          'a host such as example.com or *.example.com',
          { title: 'host', examples: ['example.com', '*.example.com'] },
          parseHostPattern,
        ),
      ).describe(
        'The host that the request names, compared without case and port. `*.example.com` matches every host below `example.com`, not `example.com` itself. Left out: every host.',
      ),
      path: maybe(
        written(
          'a path such as /status, or a prefix such as /api/*',
          { title: 'path', examples: ['/status', '/api/*', '/*'] },
          parsePathPattern,
        ),
      ).describe(
        'The path without the query. `/status` matches that path alone; `/api/*` matches `/api`, `/api/` and everything below, not `/apix`. Left out: every path.',
      ),
      pathRegex: maybe(
        written(
          'a regular expression such as ^/v[0-9]+/',
          { title: 'regex', examples: ['^/v[0-9]+/'] },
          (text) => {
            if (text === '')
              return refused(
                'a regular expression such as ^/v[0-9]+/',
                'leave it out to match every path',
              );
            const compiled = compileRegex(text);
            return compiled.ok ? parsed(text) : compiled;
          },
        ),
      ).describe(
        'A JavaScript regular expression that must be found in the path (`^` and `$` tie it to the ends). It is compiled to a table, hence no back-references, lookaround, `\\b` or flags. Not together with `path`.',
      ),
      clientCertificate: maybe(clientCertificateMatch()).describe(
        "What the client's TLS certificate must be. Left out: anything, or none.",
      ),
    })
    .prefault({})
    .describe('Which requests the route takes; all keys given must hold. Left out: every request.');
}

const respond = () =>
  z
    .strictObject({
      status: integer(200, 599).prefault(200).describe('The status of the answer.'),
      headers: headerRecord(headerValue())
        .prefault({})
        .transform((headers) => Object.entries(headers).map(([name, value]) => ({ name, value })))
        .describe('Headers of the answer. Content-Length is set by the proxy.')
        .meta({ examples: [{ 'Content-Type': 'application/json' }] }),
      body: plainText('text')
        .refine((text) => Buffer.byteLength(text) <= MAX_BODY_BYTES, says('text of at most 64KiB'))
        .prefault('')
        .describe('The body, sent as UTF-8; at most 64KiB.'),
    })
    .meta({ examples: [{ status: 200, body: 'ok' }] });

const redirect = () =>
  z
    .strictObject({
      to: written(
        'where to, such as https://{host}{path}{query}',
        { title: 'template', examples: ['https://{host}{path}{query}', '/new{path}'] },
        parseRedirect,
      ).describe(
        'The Location. `{scheme}`, `{host}`, `{path}` (after `stripPrefix` and `addPrefix`) and `{query}` (with its question mark) stand for those of the request.',
      ),
      status: z
        .union(
          [z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)],
          says('one of 301, 302, 303, 307, 308'),
        )
        .prefault(302)
        .describe('301 and 308 may be remembered by clients; 307 and 308 keep the method.'),
    })
    .meta({ examples: [{ to: 'https://{host}{path}{query}', status: 308 }] });

const prefix = (example: string) =>
  written(
    'a path that begins with a slash, such as /api',
    { title: 'path', examples: [example] },
    parsePathPrefix,
  );

export function route() {
  return z
    .strictObject({
      name: maybe(
        plainText('a name').regex(
          /^[\x21-\x7e](?:[\x20-\x7e]{0,98}[\x21-\x7e])?$/,
          says('a name of up to 100 ASCII characters'),
        ),
      ).describe('For stats and logs. Left out: made from `match`.'),
      match: match(),
      pool: maybe(plainText('the name of a pool', { title: 'name of a pool' })).describe(
        'Forward to this pool.',
      ),
      respond: maybe(respond()).describe('Answer at once, without a target.'),
      redirect: maybe(redirect()).describe('Answer with a redirection.'),
      stripPrefix: prefix('/server1')
        .optional()
        .transform((value) => value ?? '')
        .describe(
          'Removed from the front of the path, on segment borders, before it is forwarded: `/server1` makes `/server1/x` into `/x` and leaves `/server1x` alone.',
        ),
      addPrefix: prefix('/v2')
        .optional()
        .transform((value) => value ?? '')
        .describe('Put in front of the path, after `stripPrefix`.'),
      hostHeader: maybe(hostHeader()).describe(
        "The Host that the target sees: the client's, the target's own address, or a fixed one. Left out: as the pool says.",
      ),
      requestHeaders: headerEdits()
        .prefault({})
        .describe('Edits to the request on its way to the target.'),
      responseHeaders: headerEdits()
        .prefault({})
        .describe('Edits to the response on its way to the client.'),
    })
    .meta({
      oneOf: [{ required: ['pool'] }, { required: ['respond'] }, { required: ['redirect'] }],
    });
}
