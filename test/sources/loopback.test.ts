import { describe, expect, test } from 'vitest';
import { isLoopback as isLoopbackOfConfig } from '../../src/config/checks/hosts.ts';
import { isLoopback } from '../../src/sources/loopback.ts';

// The layers allow no shared module, so the two are held together here.
describe.each([
  ['sources and http', isLoopback],
  ['config', isLoopbackOfConfig],
])('loopback as %s see it', (_where, check) => {
  test.each([
    ['localhost', true],
    ['LOCALHOST', true],
    ['foo.localhost', true],
    ['a.b.Localhost', true],
    ['127.0.0.1', true],
    ['127.255.255.254', true],
    ['::1', true],
    ['[::1]', true],
    ['0:0:0:0:0:0:0:1', true],
    ['::ffff:127.0.0.1', true],
    ['[::ffff:127.0.0.1]', true],
    ['[::ffff:7f00:1]', true],
    ['', false],
    ['.', false],
    ['0.0.0.0', false],
    ['::', false],
    ['[::]', false],
    ['128.0.0.1', false],
    ['127.0.0.1.example', false],
    ['127.0.0.256', false],
    ['192.168.1.1', false],
    ['::ffff:128.0.0.1', false],
    ['[::ffff:a00:1]', false],
    ['::2', false],
    ['localhost.example', false],
    ['notlocalhost', false],
    ['ops.example', false],
  ])('%j: %s', (host, expected) => expect(check(host)).toBe(expected));
});
