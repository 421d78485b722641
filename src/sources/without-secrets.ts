/** A URL fit for logs and status: without user info and query. */
export const withoutSecrets = (text: string): string => {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  return `${url.origin}${url.pathname}`;
};
