import { pathToFileURL } from 'node:url';
import { lintRules, type LintCode, type Rule } from '../../jwk/lint-rules.ts';
import { version } from '../version.ts';
import type { PlacedFinding } from './lint.ts';

/**
 * Findings as a SARIF 2.1.0 log, which code scanners and editors read.
 *
 * `ruleId` is the code of the finding; every rule is described (§3.49), found or not, so that a list of rules is stable.
 */
export const sarif = (name: string, findings: readonly PlacedFinding[]): string => {
  const codes = Object.keys(lintRules) as LintCode[];
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'jwksd',
            version,
            rules: codes.map((code) => ruleOf(code, lintRules[code])),
          },
        },
        columnKind: 'utf16CodeUnits',
        results: findings.map((finding) => resultOf(name, finding, codes)),
      },
    ],
  };
  return `${JSON.stringify(log, undefined, 2)}\n`;
};

const ruleOf = (id: LintCode, { level, client, title, help }: Rule): object => ({
  id,
  shortDescription: { text: `${title}.` },
  help: { text: help },
  defaultConfiguration: { level },
  ...(client === undefined ? {} : { properties: { tags: [client] } }),
});

const resultOf = (name: string, finding: PlacedFinding, codes: readonly LintCode[]): object => {
  const { code, level, detail, kid, line, column } = finding;
  const key = kid === undefined ? '' : ` (kid ${JSON.stringify(kid)})`;
  return {
    ruleId: code,
    ruleIndex: codes.indexOf(code),
    level,
    message: { text: `${detail}${key}` },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: uriOf(name) },
          ...(line === undefined ? {} : { region: { startLine: line, startColumn: column } }),
        },
      },
    ],
  };
};

/** A URL as it is; a file as a relative reference (RFC 3986 §4.2), from where the command ran, or as `file:`. */
const uriOf = (name: string): string => {
  if (/^https?:\/\//iu.test(name)) return name;
  if (name.startsWith('/')) return pathToFileURL(name).href;
  return name.split(/[\\/]/u).map(encodeURIComponent).join('/');
};
