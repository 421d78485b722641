import type { Complete } from '../complete.ts';
import { parseDuration } from '../durations.ts';
import { didYouMean } from '../near-miss.ts';
import type { Report } from '../validate.ts';

/**
 * Judges sets by themselves and against the sources.
 *
 * `known` are the names of all sources the file has, also of those that were refused: a set that names one of them is
 * not wrong a second time.
 */
export const checkSets = (
  document: Complete,
  known: readonly string[],
  report: Report,
  warn: (text: string) => void,
): void => {
  const used = new Set<string>();
  for (const [name, set] of Object.entries(document.sets)) {
    const at = ['sets', name];
    if (set.sources.length === 0) {
      report(
        [...at, 'sources'],
        `must be given when there is not exactly one source: one or more of ${known.join(', ')}`,
      );
    }
    for (const [index, source] of set.sources.entries()) {
      if (!known.includes(source)) {
        report(
          [...at, 'sources', index],
          `names the source ${JSON.stringify(source.slice(0, 80))}, which does not exist.${didYouMean(source, known)}`,
        );
      } else if (set.sources.indexOf(source) !== index) {
        report([...at, 'sources', index], `names the source ${source} twice`);
      }
      used.add(source);
    }
    checkMaxAge(name, set.maxAge, set.profile, report);
  }
  for (const source of known) {
    if (!used.has(source)) warn(`sources.${source} is in no set, so none of its keys are published`);
  }
};

const checkMaxAge = (name: string, text: string, profile: string, report: Report): void => {
  const at = ['sets', name, 'maxAge'];
  const seconds = (parseDuration(text) ?? 0) / 1000;
  if (!Number.isInteger(seconds)) {
    report(at, `must be whole seconds, not ${text}: Cache-Control knows nothing finer`);
  } else if (profile === 'jitsi' && seconds === 0) {
    report(
      at,
      'must not be 0s for a jitsi set: Prosody would fetch in a loop without pause; use 60s or less, or 2m or more',
    );
  } else if (profile === 'jitsi' && seconds > 60 && seconds < 120) {
    report(
      at,
      `must not be between 61s and 119s for a jitsi set: Prosody fetches again after maxAge - 60s, here ${seconds - 60}s; use 60s or less, or 2m or more`,
    );
  }
};
