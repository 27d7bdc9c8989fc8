import Foundation
import Kernels
import Testing

@Suite struct RotaryTests {
  @Test(arguments: [RotaryLayout.halved, .interleaved], [2, 6, 20])
  func rotation(_ layout: RotaryLayout, _ width: Int) {
    var numbers = Numbers(seed: 13)
    let shape = RotaryShape(tokens: 6, sequence: 3, heads: 2, width: width, layout: layout)
    var yarn = RotaryScaling.YaRN(factor: 4, originalPositions: 64)
    yarn.magnitude = 1
    let frequencies = RotaryFrequencies(width: width, base: 10000, scaling: .yarn(yarn))
    var cosine = [Float](repeating: 0, count: 3 * width / 2)
    var sine = cosine
    frequencies.fillTables(cosine: &cosine, sine: &sine, count: 3)
    let (x, dy) = (numbers.floats(12 * width), numbers.floats(12 * width))
    func heads(_ x: UnsafeMutablePointer<Float>) -> MutableHeads {
      MutableHeads(x, tokenStride: 2 * width, headStride: width)
    }
    var y = x
    y.withUnsafeMutableBufferPointer {
      let place = heads($0.baseAddress!)
      rotaryForward(place, place.reading, cosine: cosine, sine: sine, shape)
    }
    expectClose(y, Reference.rotary(doubles(x), frequencies, shape))
    var dx = dy
    dx.withUnsafeMutableBufferPointer {
      let place = heads($0.baseAddress!)
      rotaryBackward(place, place.reading, cosine: cosine, sine: sine, shape)
    }
    let expected = Reference.gradient(at: doubles(x)) {
      product(Reference.rotary($0, frequencies, shape), doubles(dy))
    }
    expectClose(dx, expected)
  }

  /// Tokens at positions of their own turn as those of a sequence that stand there.
  @Test(arguments: [RotaryLayout.halved, .interleaved])
  func eachTokenHasItsOwnPosition(_ layout: RotaryLayout) {
    var numbers = Numbers(seed: 14)
    let (cosine, sine) = (numbers.floats(7 * 6), numbers.floats(7 * 6))
    let x = numbers.floats(3 * 24)
    let positions = [6, 0, 3]
    let shape = RotaryShape(tokens: 3, sequence: 1, heads: 2, width: 12, layout: layout)
    let out = filled(3 * 24) { out in
      rotaryForward(
        MutableHeads(out, tokenStride: 24, headStride: 12),
        Heads(x, tokenStride: 24, headStride: 12), positions: positions, cosine: cosine,
        sine: sine, shape)
    }
    for (token, position) in positions.enumerated() {
      // A sequence of seven positions, of which this token fills each.
      let row = Array(x[token * 24..<token * 24 + 24])
      let whole = (0..<7).flatMap { _ in row }
      var all = shape
      (all.tokens, all.sequence) = (7, 7)
      let turned = filled(7 * 24) { out in
        rotaryForward(
          MutableHeads(out, tokenStride: 24, headStride: 12),
          Heads(whole, tokenStride: 24, headStride: 12), cosine: cosine, sine: sine, all)
      }
      #expect(
        Array(out[token * 24..<token * 24 + 24])
          == Array(turned[position * 24..<position * 24 + 24]))
    }
  }

  @Test func yarnKeepsFastPairsAndDividesSlowOnes() {
    // DeepSeek-V3: 64 columns, theta 10,000, factor 40, 4,096 original positions.
    var yarn = RotaryScaling.YaRN(factor: 40, originalPositions: 4096)
    yarn.magnitude = 1
    yarn.magnitudeOfAll = 1
    let plain = RotaryFrequencies(width: 64, base: 10000).perPosition
    let scaled = RotaryFrequencies(width: 64, base: 10000, scaling: .yarn(yarn))
    #expect(scaled.attentionFactor == 1)
    // The ramp goes from pair floor(10.47) = 10 (32 turns) to pair ceil(22.51) = 23 (1 turn).
    for pair in 0...10 { #expect(scaled.perPosition[pair] == plain[pair]) }
    for pair in 23..<32 { #expect(abs(scaled.perPosition[pair] * 40 / plain[pair] - 1) < 1e-6) }
    let middle = Double(scaled.perPosition[16]) / Double(plain[16])
    #expect(abs(middle - (1 - 6.0 / 13 + 6.0 / 13 / 40)) < 1e-6)
    let magnitude = RotaryScaling.YaRN.magnitude(factor: 40)
    #expect(abs(magnitude - (0.1 * log(40.0) + 1)) < 1e-12)
  }

  @Test func llama3BlendsBetweenItsTwoWavelengths() {
    let scaling = RotaryScaling.llama3(
      factor: 8, lowFrequency: 1, highFrequency: 4, originalPositions: 8192)
    let plain = RotaryFrequencies(width: 128, base: 500_000).perPosition
    let scaled = RotaryFrequencies(width: 128, base: 500_000, scaling: scaling).perPosition
    for pair in 0..<64 {
      let wave = 2 * Double.pi / Double(plain[pair])
      let ratio = Double(scaled[pair]) / Double(plain[pair])
      if wave < 8192 / 4 {
        #expect(ratio == 1)
      } else if wave > 8192 {
        #expect(abs(ratio - 0.125) < 1e-6)
      } else {
        #expect(ratio > 0.125 && ratio < 1)
      }
    }
  }
}
