// Header names and values that a configuration may set: nothing here can change the framing of a message or
// smuggle a line into it.
import { type Parsed, parsed, refused } from './parsed.ts';

/** Framing and connection control, which the proxy alone decides; the reason is what to use instead. */
const RESERVED: Readonly<Record<string, string>> = {
  'content-length': 'the proxy frames messages itself',
  'transfer-encoding': 'the proxy frames messages itself',
  trailer: 'the proxy frames messages itself',
  connection: 'the proxy decides on its connections itself',
  'keep-alive': 'the proxy decides on its connections itself; see timeouts.keepAlive',
  'proxy-connection': 'the proxy decides on its connections itself',
  te: 'the proxy decides on its connections itself',
  upgrade: 'upgrades are passed on as the client asks for them',
  host: 'use hostHeader of the route or the pool',
};

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const SENSITIVE = /auth|cookie|token|secret|password|api-?key/i;

export function parseHeaderName(text: string): Parsed<string> {
  const expected = 'the name of a header, such as X-Frame-Options';
  if (text.endsWith(':')) return refused(expected, 'leave out the colon');
  if (!TOKEN.test(text)) return refused(expected, "letters, digits and !#$%&'*+-.^_`|~ only");
  const reserved = RESERVED[text.toLowerCase()];
  return reserved === undefined ? parsed(text) : refused('a header that may be edited', reserved);
}

export function parseHeaderValue(text: string): Parsed<string> {
  const expected = 'the value of a header: one line of ASCII text';
  if (/[\r\n\0]/.test(text)) return refused(expected, 'line ends and NUL would split the message');
  if (/[^\t\x20-\x7e]/.test(text))
    return refused(expected, 'escape other characters, for instance as %XX');
  if (text !== text.trim()) return refused(expected, 'leave out the space around it');
  return parsed(text);
}

/** Values of such headers are not repeated in messages. */
export function isSensitiveHeader(name: string): boolean {
  return SENSITIVE.test(name);
}
