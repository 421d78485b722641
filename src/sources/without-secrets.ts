/** A URL fit for logs and status: without user info and query. */
export const withoutSecrets = (text: string): string => {
  if (!URL.canParse(text)) return text;
  const { origin, pathname, protocol } = new URL(text);
  // Other schemes than those of the web have no origin.
  return origin === 'null' ? `${protocol}${pathname}` : `${origin}${pathname}`;
};
