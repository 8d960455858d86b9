// Where JSON breaks its grammar or repeats a key. JSON.parse reads the values; of errors it tells the place only
// sometimes, and of two equal keys it silently keeps the last.

export interface JsonMistake {
  /** Offset into the text. */
  readonly index: number;
  readonly expected: string;
  readonly received: string;
}

type State =
  | 'value'
  | 'first item'
  | 'first key'
  | 'key'
  | 'colon'
  | 'next item'
  | 'next key'
  | 'end';

const EXPECTED: Readonly<Record<State, string>> = {
  value: 'a value',
  'first item': 'a value or ]',
  'first key': 'a key in double quotes or }',
  key: 'a key in double quotes',
  colon: 'a colon',
  'next item': 'a comma or ]',
  'next key': 'a comma or }',
  end: 'nothing more',
};

const SPACE = /[ \t\n\r]*/y;
const TOKEN =
  /("(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|[{}[\],:]/uy;

/** The first break of the grammar, or else every repeated key. */
export function findJsonMistakes(text: string): readonly JsonMistake[] {
  /** One entry an open list (null) or map (its keys so far). */
  const open: (Set<string> | null)[] = [];
  const repeated: JsonMistake[] = [];
  let state: State = 'value';
  let index = 0;

  const afterValue = (): State => {
    const innermost = open.at(-1);
    if (innermost === undefined) return 'end';
    return innermost === null ? 'next item' : 'next key';
  };
  const afterToken = (token: string): State | null => {
    const isString = token.startsWith('"');
    switch (state) {
      case 'colon':
        return token === ':' ? 'value' : null;
      case 'next item':
      case 'next key':
        if (token === ',') return state === 'next item' ? 'value' : 'key';
        return token === (state === 'next item' ? ']' : '}') ? close() : null;
      case 'first key':
      case 'key':
        if (token === '}' && state === 'first key') return close();
        if (!isString) return null;
        noteKey(token);
        return 'colon';
      case 'first item':
      case 'value':
        if (token === ']' && state === 'first item') return close();
        if (token === '[' || token === '{') return begin(token);
        return isString || /^[-0-9tfn]/.test(token) ? afterValue() : null;
      case 'end':
        return null;
    }
  };
  const begin = (bracket: string): State => {
    open.push(bracket === '{' ? new Set() : null);
    return bracket === '{' ? 'first key' : 'first item';
  };
  const close = (): State => {
    open.pop();
    return afterValue();
  };
  const noteKey = (token: string): void => {
    const keys = open.at(-1);
    const key = JSON.parse(token) as string;
    if (keys?.has(key))
      repeated.push({ index, expected: 'each key once', received: `${token} again` });
    keys?.add(key);
  };

  for (;;) {
    SPACE.lastIndex = index;
    index += SPACE.exec(text)?.[0].length ?? 0;
    if (index === text.length && state === 'end') return repeated;
    TOKEN.lastIndex = index;
    const token = TOKEN.exec(text)?.[0];
    const next = token === undefined ? null : afterToken(token);
    if (token === undefined || next === null) {
      return [{ index, expected: EXPECTED[state], received: describe(text, index) }];
    }
    state = next;
    index += token.length;
  }
}

function describe(text: string, index: number): string {
  if (index >= text.length) return 'the end of the file';
  return JSON.stringify(/^[^\s,:{}[\]]{1,20}|^./su.exec(text.slice(index, index + 40))?.[0] ?? '');
}
