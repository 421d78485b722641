import { describe, expect, test } from 'vitest';
import { clientIds } from '../../../src/cli/doctor/model.ts';
import { defects, healthy, type Defect } from '../../fakes/key-server-defects.ts';
import { FakeUpstream } from '../../fakes/upstream.ts';
import { run } from '../world.ts';

interface Note {
  readonly code: string;
  readonly level: string;
  readonly detail: string;
  readonly next: string;
  readonly says?: { readonly text: string; readonly verbatim: boolean; readonly source: string };
}

interface Json {
  readonly clients: readonly {
    id: string;
    usable: boolean;
    notes: readonly Note[];
    keys: readonly { why?: Note }[];
  }[];
  readonly findings: readonly { code: string }[];
}

const versions = clientIds.filter((id) => id.includes('@') || id === 'generic');

/** What each client has to say, its codes without repetition, and how the command ends. */
const diagnose = async ({ handler }: Defect, id: string) => {
  await using upstream = await FakeUpstream.start({ handler });
  const { code, stdout, stderr } = await run(['doctor', upstream.url().href, '--as', id, '--json']);
  expect(stderr).toBe('');
  const json = JSON.parse(stdout) as Json;
  const client = json.clients.find((each) => each.id === id)!;
  const notes = [...client.notes, ...client.keys.flatMap(({ why }) => (why === undefined ? [] : [why]))];
  const codes = [...new Set(notes.map((note) => note.code))];
  return { code, notes, codes, usable: client.usable, findings: json.findings.map((each) => each.code) };
};

/** Why there is no key is said once in general and once per key. */
const specific = (codes: readonly string[]): readonly string[] =>
  codes.length > 1 ? codes.filter((code) => code !== 'no-usable-key') : codes;

describe.each([...healthy, ...defects])('$name', (defect) => {
  test.each(versions.filter((id) => defect.readers.includes(id)))('as %s', async (id) => {
    const { code, codes, notes, usable, findings } = await diagnose(defect, id);
    const expected = defect.sick[id] ?? defect.odd[id];
    expect(specific(codes)).toEqual(expected === undefined ? [] : [expected]);
    expect([code, usable]).toEqual(defect.sick[id] === undefined ? [0, true] : [1, false]);
    expect(findings).toEqual(defect.findings);
    for (const note of notes) {
      expect(note.detail).not.toBe('');
      expect(note.next).not.toBe('');
      if (note.level === 'error' && note.says !== undefined) expect(note.says.source).not.toBe('');
    }
  });
});
