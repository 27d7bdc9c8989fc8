import Documents
import Foundation
import Models
import Testing

@Suite("Rotary frequencies")
struct RotaryTests {
  /// The rotation of a model that ships; one without it is a failure, not a test to pass over.
  private func rotation(of name: String) throws -> Rotary {
    let position = try Architecture.named(name).position
    guard case .rotary(let rotary) = position else {
      throw ConfigurationError(file: name, rule: "has no rotation: \(position)")
    }
    return rotary
  }

  @Test func plainFrequenciesAreAGeometricRow() {
    let frequencies = Rotary(theta: 10_000, layout: .halved).frequencies(columns: 8)
    #expect(frequencies.count == 4)
    for (frequency, expected) in zip(frequencies, [1, 0.1, 0.01, 0.001]) {
      #expect(abs(frequency - expected) < 1e-15)
    }
  }

  /// DeepSeek-V3: with 64 columns and 4,096 positions the ramp runs from pair 10 (32 rotations, at
  /// 64 · ln(4096 / 64π) / (2 ln 10⁴) = 10.47) to pair 23 (one rotation, at 22.51).
  @Test func yarnKeepsHighAndDividesLowFrequencies() throws {
    let rotary = try rotation(of: "deepseek-v3")
    let stretched = rotary.frequencies(columns: 64)
    let plain = Rotary(theta: 10_000, layout: .interleaved).frequencies(columns: 64)
    for pair in 0...10 { #expect(stretched[pair] == plain[pair]) }
    for pair in 23..<32 { #expect(abs(stretched[pair] * 40 / plain[pair] - 1) < 1e-12) }
    let middle = plain[16] * (1 - 6.0 / 13) + plain[16] / 40 * (6.0 / 13)
    #expect(abs(stretched[16] / middle - 1) < 1e-12)
  }

  /// mscale = 0.1 ln 40 + 1 = 1.3689 on the softmax scale, squared; equal weights leave cosines be.
  @Test func yarnMagnitudes() throws {
    let third = try rotation(of: "deepseek-v3")
    #expect(third.magnitude == 1)
    #expect(abs(third.latentScaleFactor - 1.368_887_945_4 * 1.368_887_945_4) < 1e-9)
    let bare = Rotary(
      theta: 1e4, layout: .halved, scaling: .yarn(.init(factor: 4, originalPositions: 2048)))
    #expect(abs(bare.magnitude - (0.1 * log(4) + 1)) < 1e-15)
    #expect(bare.latentScaleFactor == 1)
  }

  @Test func llama3KeepsShortAndDividesLongWavelengths() throws {
    let stretched = try rotation(of: "llama-3.1-8b").frequencies(columns: 128)
    let plain = Rotary(theta: 500_000, layout: .halved).frequencies(columns: 128)
    for pair in 0..<64 {
      let wavelength = 2 * Double.pi / plain[pair]
      if wavelength < 2048 { #expect(stretched[pair] == plain[pair]) }
      if wavelength > 8192 { #expect(abs(stretched[pair] * 8 / plain[pair] - 1) < 1e-12) }
      if pair > 0 { #expect(stretched[pair] < stretched[pair - 1]) }
    }
    // Each of the three kinds is there: kept, between, divided.
    let shares = (0..<64).map { stretched[$0] / plain[$0] }
    #expect(shares.contains(1) && shares.contains { $0 > 0.126 && $0 < 0.999 })
    #expect(shares.filter { abs($0 - 0.125) < 1e-12 }.count > 5)
  }

  @Test func linearScalingDividesAll() {
    let rotary = Rotary(theta: 10_000, layout: .halved, scaling: .linear(factor: 2))
    #expect(rotary.frequencies(columns: 2) == [0.5])
    #expect(rotary.magnitude == 1)
  }
}
