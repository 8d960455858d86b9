// Pages that a browser takes for loaded only when their scripts are through: whoever reads one waits for that event, not
// for a time. (Chromium's virtual time would run out beside an open WebSocket.)
import type { ServerResponse } from 'node:http';

/** What one server knows of the pages that it gave out and that are still at work. */
export class PagesAtWork {
  #given = 0;
  readonly #through = new Map<string, { readonly promise: Promise<void>; resolve(): void }>();

  /** A page with `body`, whose load ends when the promise that the expression `work` stands for is settled. */
  give(title: string, body: string, work: string): string {
    const id = String(++this.#given);
    let resolve = () => {};
    const promise = new Promise<void>((settle) => {
      resolve = settle;
    });
    this.#through.set(id, { promise, resolve });
    return `<!doctype html><meta charset=utf-8><title>${title}</title>${body}
<script>
const show = (id, text) => document.getElementById(id).textContent = text;
Promise.resolve(${work}).finally(() => fetch('/through/${id}'));
</script><img src="/at-work/${id}" alt="">`;
  }

  /** Answers what such a page asks for; false where `url` is no such thing. */
  answer(url: string, response: ServerResponse): boolean {
    const [, what, id = ''] = /^\/(through|at-work)\/(\d+)$/.exec(url) ?? [];
    const page = this.#through.get(id);
    if (page === undefined) return false;
    if (what === 'through') page.resolve();
    void page.promise.then(() => response.writeHead(204).end());
    return true;
  }
}
