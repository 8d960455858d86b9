// Runs within the page, in a frame: tells the frame's owner how wide the page is, which words of its plots touch, and which
// words are too faint on what is behind them.
{
  const LEAST_CONTRAST = 4.5;

  const ownText = (element) =>
    [...element.childNodes]
      .filter(({ nodeType }) => nodeType === Node.TEXT_NODE)
      .map(({ data }) => data)
      .join('');

  const clashesIn = (drawing) => {
    const found = [];
    const texts = [...drawing.querySelectorAll('text')].map((text) => ({
      words: ownText(text),
      box: text.getBoundingClientRect(),
    }));
    texts.forEach(({ words, box }, i) => {
      if (box.right > innerWidth + 1 || box.left < -1) found.push(`${words} is cut`);
      for (const other of texts.slice(i + 1)) {
        // A line's box has room above and below its letters.
        const slack = box.height * 0.25;
        const isApart =
          box.right <= other.box.left ||
          other.box.right <= box.left ||
          box.bottom - slack <= other.box.top ||
          other.box.bottom - slack <= box.top;
        if (!isApart) found.push(`${words} runs into ${other.words}`);
      }
    });
    return found;
  };

  const luminance = (colour) => {
    const [red, green, blue] = colour.match(/[\d.]+/g).map((part) => {
      const value = Number(part) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };

  const groundOf = (element) => {
    const own = getComputedStyle(element).backgroundColor;
    if (own !== 'rgba(0, 0, 0, 0)' || element.parentElement === null) return own;
    return groundOf(element.parentElement);
  };

  const contrastOf = (element) => {
    const { fill, color } = getComputedStyle(element);
    const ink = luminance(element.tagName === 'text' ? fill : color);
    const ground = luminance(groundOf(element));
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  };

  const faint = [...document.querySelectorAll('body *')]
    .filter((element) => ownText(element).trim() !== '' && !element.closest('script, title'))
    .map((element) => ({ element, contrast: contrastOf(element) }))
    .filter(({ contrast }) => contrast < LEAST_CONTRAST)
    .map(({ element, contrast }) => {
      return `${element.tagName} ${element.getAttribute('class')}: ${contrast.toFixed(2)}`;
    });

  parent.postMessage(
    {
      innerWidth,
      scrollWidth: document.documentElement.scrollWidth,
      clashes: [...document.querySelectorAll('svg')].flatMap(clashesIn),
      faint: [...new Set(faint)],
    },
    '*',
  );
}
