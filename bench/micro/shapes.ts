// Request heads of the shapes that proxies see. Made here, byte for byte the same in every run.

export interface Shape {
  readonly name: string;
  readonly head: Buffer;
}

function shape(name: string, lines: readonly string[]): Shape {
  return { name, head: Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1') };
}

/** Text without meaning, the same every time: cookies and tokens are long and irregular. */
function noise(length: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';
  let state = length;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return letters[(state >>> 16) % letters.length];
  }).join('');
}

/** One service asking another. */
export const TINY = shape('tiny API call', [
  'GET /v1/items/42 HTTP/1.1',
  'Host: api.example',
  'Accept: application/json',
  'User-Agent: client/1.0',
]);

/** About 1 KiB, half of it cookies. */
export const BROWSER = shape('browser with cookies', [
  'GET /shop/category/shoes?page=2&sort=price&colour=dark%20blue HTTP/1.1',
  'Host: www.example.com',
  'Connection: keep-alive',
  'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24"',
  'sec-ch-ua-mobile: ?0',
  'sec-ch-ua-platform: "Linux"',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-User: ?1',
  'Sec-Fetch-Dest: document',
  'Referer: https://www.example.com/shop/category/shoes?page=1&sort=price',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
  `Cookie: session=${noise(120)}; consent=yes; basket=${noise(64)}; visitor=${noise(32)}; theme=dark`,
]);

/** As many fields as a configuration allows by default. */
export const HUNDRED = shape('100 headers', [
  'GET /trace HTTP/1.1',
  'Host: api.example',
  ...Array.from({ length: 99 }, (_, i) => `X-Trace-Attribute-${i + 1}: ${noise(12 + (i % 20))}`),
]);

export const SHAPES: readonly Shape[] = [TINY, BROWSER, HUNDRED];
