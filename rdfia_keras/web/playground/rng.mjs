// NumPy's random numbers: what np.random.default_rng(entropy) gives from the same seed, bit for bit.
import { HEIGHTS, LIMITS, WIDTHS } from "./ziggurat.mjs";

const MASK_64 = (1n << 64n) - 1n;
const MASK_128 = (1n << 128n) - 1n;
const PCG_MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;
const ZIGGURAT_R = 3.6541528853610087963519472518;
const ZIGGURAT_INVERSE_R = 0.27366123732975827203338247596;

const multiply = (a, b) => Math.imul(a, b) >>> 0;

// numpy.random.SeedSequence(entropy).generate_state(count): `entropy` is a list of whole numbers below 2 ** 32.
export function seedSequenceState(entropy, count) {
  let hashConstant = 0x43b0d7e5;
  const hash = (value) => {
    value = (value ^ hashConstant) >>> 0;
    hashConstant = multiply(hashConstant, 0x931e8875);
    value = multiply(value, hashConstant);
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mix = (x, y) => {
    const value = (multiply(0xca01f9dd, x) - multiply(0x4973f715, y)) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const pool = [0, 1, 2, 3].map((i) => hash(entropy[i] ?? 0));
  for (let source = 0; source < 4; source++) {
    for (let target = 0; target < 4; target++) {
      if (source !== target) pool[target] = mix(pool[target], hash(pool[source]));
    }
  }
  for (const word of entropy.slice(4)) {
    for (let target = 0; target < 4; target++) pool[target] = mix(pool[target], hash(word));
  }
  let outputConstant = 0x8b51f9dd;
  return Array.from({ length: count }, (_, i) => {
    let value = (pool[i % 4] ^ outputConstant) >>> 0;
    outputConstant = multiply(outputConstant, 0x58f38ded);
    value = multiply(value, outputConstant);
    return (value ^ (value >>> 16)) >>> 0;
  });
}

// numpy.random.Generator(PCG64(entropy)): a state of 128 bits, 64 bits out at each step.
export class Generator {
  constructor(entropy) {
    const words = seedSequenceState(entropy, 8).map(BigInt);
    const [a, b, c, d] = [0, 2, 4, 6].map((i) => words[i] | (words[i + 1] << 32n));
    this.increment = ((((c << 64n) | d) << 1n) | 1n) & MASK_128;
    this.state = 0n;
    this.half = null;
    this.next64();
    this.state = (this.state + ((a << 64n) | b)) & MASK_128;
    this.next64();
  }

  next64() {
    this.state = (this.state * PCG_MULTIPLIER + this.increment) & MASK_128;
    const folded = (this.state >> 64n) ^ (this.state & MASK_64);
    const turn = this.state >> 122n;
    return ((folded >> turn) | (folded << (64n - turn))) & MASK_64;
  }

  // 32 bits: the lower half of a word, then its upper half.
  next32() {
    if (this.half !== null) {
      const half = this.half;
      this.half = null;
      return half;
    }
    const word = this.next64();
    this.half = Number(word >> 32n);
    return Number(word & 0xffffffffn);
  }

  // Uniform in [0, 1).
  random() {
    return Number(this.next64() >> 11n) / 2 ** 53;
  }

  // A whole number from 0 to `largest`, each as likely: bits are drawn until they make one that is small enough.
  integer(largest) {
    if (largest === 0) return 0;
    const bits = 2 ** (32 - Math.clz32(largest)) - 1;
    for (;;) {
      const value = (this.next32() & bits) >>> 0;
      if (value <= largest) return value;
    }
  }

  // The numbers from 0 to count - 1 in a random order.
  permutation(count) {
    const order = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  // One draw from N(0, 1) (the ziggurat method, 256 layers).
  standardNormal() {
    for (;;) {
      const word = this.next64();
      const layer = Number(word & 0xffn);
      const magnitude = (word >> 9n) & 0xfffffffffffffn;
      const x = (word & 0x100n ? -1 : 1) * Number(magnitude) * WIDTHS[layer];
      if (magnitude < LIMITS[layer]) return x;
      if (layer === 0) return this.normalTail((magnitude >> 8n) & 1n);
      if ((HEIGHTS[layer - 1] - HEIGHTS[layer]) * this.random() + HEIGHTS[layer] < Math.exp(-0.5 * x * x)) return x;
    }
  }

  normalTail(negative) {
    for (;;) {
      const x = -ZIGGURAT_INVERSE_R * Math.log1p(-this.random());
      const y = -Math.log1p(-this.random());
      if (y + y > x * x) return negative ? -(ZIGGURAT_R + x) : ZIGGURAT_R + x;
    }
  }

  // A matrix of draws from N(0, std ** 2).
  normalMatrix(std, rows, columns) {
    return Array.from({ length: rows }, () =>
      Array.from({ length: columns }, () => std * this.standardNormal()));
  }
}
