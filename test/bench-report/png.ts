// Just enough of PNG to look at a screenshot: eight bits a channel, not interlaced.
import { inflateSync } from 'node:zlib';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green and blue of each pixel. */
  readonly pixels: Uint8Array;
}

export function readPng(file: Buffer): Picture {
  if (file.toString('latin1', 1, 4) !== 'PNG') throw new Error('no PNG');
  let [width, height, channels] = [0, 0, 0];
  const parts: Buffer[] = [];
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    const kind = file.toString('latin1', at + 4, at + 8);
    const data = file.subarray(at + 8, at + 8 + length);
    if (kind === 'IHDR') {
      [width, height] = [data.readUInt32BE(0), data.readUInt32BE(4)];
      const [depth, colours, , , interlace] = data.subarray(8);
      channels = colours === 6 ? 4 : 3;
      if (depth !== 8 || (colours !== 2 && colours !== 6) || interlace !== 0) {
        throw new Error(`no plain PNG: depth ${depth}, colours ${colours}`);
      }
    }
    if (kind === 'IDAT') parts.push(data);
    at += 12 + length;
  }
  const rows = unfilter(inflateSync(Buffer.concat(parts)), width, height, channels);
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    for (let k = 0; k < 3; k++) pixels[i * 3 + k] = rows[i * channels + k] ?? 0;
  }
  return { width, height, pixels };
}

/** Mean lightness from 0 to 1, and how many different colours there are. */
export function describePicture({ pixels }: Picture): { lightness: number; colours: number } {
  let sum = 0;
  const colours = new Set<number>();
  for (let i = 0; i < pixels.length; i += 3) {
    const [red = 0, green = 0, blue = 0] = pixels.subarray(i, i + 3);
    sum += 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    colours.add((red << 16) | (green << 8) | blue);
  }
  return { lightness: sum / (pixels.length / 3) / 255, colours: colours.size };
}

function unfilter(data: Buffer, width: number, height: number, channels: number): Uint8Array {
  const stride = width * channels;
  const rows = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = data[y * (stride + 1)] ?? 0;
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x >= channels ? (rows[at - channels] ?? 0) : 0;
      const up = y > 0 ? (rows[at - stride] ?? 0) : 0;
      const corner = x >= channels && y > 0 ? (rows[at - stride - channels] ?? 0) : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] ?? 0;
      rows[at] = ((data[y * (stride + 1) + 1 + x] ?? 0) + guess) & 0xff;
    }
  }
  return rows;
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(guess - value)) as [
    number,
    number,
    number,
  ];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
