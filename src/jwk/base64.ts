/** No number or key jwksd admits is spelled with more characters; longer text is not even looked at. */
export const longestNumber = 16_384;

const unpadded = /^[\w-]*$/;
const eitherAlphabet = /^[\w+/-]*$/;

/**
 * Reads base64url as providers really write it: padded or not, in either alphabet, with line breaks, with stray
 * trailing bits. Undefined when it is none of that.
 *
 * `Buffer.from` alone would skip over any foreign character, and two different texts would become one key by accident.
 */
export const decodeBase64 = (text: string): Buffer | undefined => {
  let bare = text;
  if (!unpadded.test(bare)) {
    bare = bare.replaceAll(/[\t\n\r ]/g, '').replace(/={1,2}$/, '');
    if (!eitherAlphabet.test(bare)) return undefined;
  }
  // One character left over holds six bits: less than a byte.
  return bare.length % 4 === 1 ? undefined : Buffer.from(bare, 'base64url');
};
