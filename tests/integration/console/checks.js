/**
 * What is wrong with the page as it is seen now, in the manner of axe: an expression whose value is a list of
 * texts. Looks at what is visible only.
 */
(() => {
  const problems = [];
  const visible = (element) =>
    element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && element.getClientRects().length > 0;
  const all = (selector) => [...document.querySelectorAll(selector)].filter(visible);
  const named = (element) => `<${element.localName}${element.id ? `#${element.id}` : ''}> ${element.textContent.trim().slice(0, 30)}`;
  const text = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? '').join(' ');

  function nameOf(element) {
    return (
      text(element.getAttribute('aria-labelledby') ?? '').trim() ||
      element.getAttribute('aria-label')?.trim() ||
      [...(element.labels ?? [])].map((label) => label.textContent).join(' ').trim() ||
      element.textContent.trim()
    );
  }

  // Names, roles, references

  for (const control of all('button, input, select, textarea, a[href], [role=log], section, nav, dialog[open]')) {
    if (!nameOf(control)) problems.push(`no name: ${named(control)}`);
  }
  for (const field of all('input, select, textarea')) {
    if (!field.labels?.length && !field.hasAttribute('aria-label')) problems.push(`no label: ${named(field)}`);
  }
  for (const attribute of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for']) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(/\s+/)) {
        if (!document.getElementById(id)) problems.push(`${attribute} names nothing: ${id}`);
      }
    }
  }
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  for (const id of ids.filter((each, place) => ids.indexOf(each) !== place)) problems.push(`twice: #${id}`);
  for (const image of all('img')) if (!image.hasAttribute('alt')) problems.push('a picture without alt');
  for (const element of all('[tabindex]')) if (element.tabIndex > 0) problems.push(`tabindex: ${named(element)}`);
  if (!document.documentElement.lang) problems.push('no language');
  if (!document.title) problems.push('no title');
  if (all('main').length !== 1) problems.push('not one main');

  let level = 1;
  for (const heading of all('h1, h2, h3, h4')) {
    const own = Number(heading.localName[1]);
    if (own > level + 1) problems.push(`heading ${own} after ${level}: ${named(heading)}`);
    level = own;
  }

  // Sizes

  for (const target of all('button, input, select')) {
    const { width, height } = target.getBoundingClientRect();
    if (width < 24 || height < 24) problems.push(`small: ${named(target)} ${width} x ${height}`);
  }
  const { scrollWidth, clientWidth } = document.scrollingElement;
  if (scrollWidth > clientWidth) problems.push(`scrolls sideways: ${scrollWidth} > ${clientWidth}`);
  for (const element of all('main *')) {
    const { left, right } = element.getBoundingClientRect();
    const hidden = element.closest('.visually-hidden, .skip, [aria-hidden=true]');
    if (!hidden && (left < -1 || right > clientWidth + 1)) problems.push(`sticks out: ${named(element)} to ${right}`);
  }

  // Contrast (WCAG 2.2, 1.4.3 and 1.4.11)

  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  function rgba(colour) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return { red, green, blue, alpha: alpha / 255 };
  }
  function over({ red, green, blue, alpha }, below) {
    const mix = (one, other) => one * alpha + other * (1 - alpha);
    return { red: mix(red, below.red), green: mix(green, below.green), blue: mix(blue, below.blue), alpha: 1 };
  }
  function ground(element) {
    if (!element) return rgba(matchMedia('(prefers-color-scheme: dark)').matches ? 'black' : 'white');
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own.alpha === 1 ? own : over(own, ground(element.parentElement));
  }
  function luminance({ red, green, blue }) {
    const [r, g, b] = [red, green, blue].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  function contrast(one, other) {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  }
  function check(element, colour, least, what) {
    const below = ground(element);
    const ratio = contrast(over(rgba(colour), below), below);
    if (ratio < least) problems.push(`contrast ${ratio.toFixed(2)} < ${least}: ${what} ${named(element)}`);
  }

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || seen.has(element) || !visible(element)) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    if (element.closest('#mirror') && !element.closest('.flag')) continue; // its letters are not seen
    if (element.closest('.visually-hidden, script, style, option') || size === 0 || element.closest(':disabled')) continue;
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    check(element, style.color, large ? 3 : 4.5, 'text');
  }
  for (const field of all('input, textarea, select')) {
    const style = getComputedStyle(field);
    if (!field.disabled) check(field, style.color, 4.5, 'text of');
    if (field.placeholder && !field.value) check(field, getComputedStyle(field, '::placeholder').color, 4.5, 'placeholder of');
  }
  for (const field of all('.card input, .card textarea, select, button:not(.quiet, .entry, .views button, :disabled)')) {
    const style = getComputedStyle(field);
    const outside = ground(field.parentElement);
    const edges = [style.borderTopColor, style.backgroundColor].map((colour) => contrast(over(rgba(colour), outside), outside));
    if (Math.max(...edges) < 3) problems.push(`edge ${Math.max(...edges).toFixed(2)} < 3: ${named(field)}`);
  }
  return problems;
})()
