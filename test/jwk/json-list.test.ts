import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { writeJsonList } from '../../src/jwk/json-list.ts';

const write = (texts: readonly string[], opening = '{"keys":[', closing = ']}') => {
  const generator = writeJsonList(opening, texts, closing);
  let yields = 0;
  for (;;) {
    const step = generator.next();
    if (step.done === true) return { text: step.value.toString(), bytes: step.value.length, yields };
    yields += 1;
  }
};

test('the bytes are those of the texts joined by commas, whatever the characters', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.string(), (texts, opening) => {
      const expected = `${opening}${texts.join(',')}]}`;
      const { text, bytes } = write(texts, opening);
      expect(text).toBe(Buffer.from(expected).toString());
      expect(bytes).toBe(Buffer.byteLength(expected));
    }),
  );
});

test('an empty list has no comma', () => {
  expect(write([]).text).toBe('{"keys":[]}');
});

test('other work may run after each text', () => {
  expect(write(['1', '2', '3']).yields).toBe(6);
});
