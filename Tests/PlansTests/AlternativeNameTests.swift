import Documents
import Plans
import Testing

/// Two keys that say the same thing: the command line's takes the place of the file's.
@Suite struct AlternativeNameTests {
  private static func plan(_ lines: [String], _ overrides: [String] = []) throws -> Plan {
    let text = (["global-batch: 8", "sequence-length: 64"] + lines).joined(separator: "\n")
    return try .read(Document(text: text, name: "f"), name: "plan", overrides: overrides)
  }

  struct Pair: Sendable, CustomTestStringConvertible {
    var file: [String]
    var override: String
    /// The plan that has nothing but the override.
    var meant: String
    var testDescription: String { "\(file) \(override)" }
  }

  static let pairs: [Pair] = [
    Pair(file: ["fused-loss: true"], override: "loss=native", meant: "loss: native"),
    Pair(file: ["loss: native"], override: "fused-loss=true", meant: "fused-loss: true"),
    Pair(
      file: ["fused-attention: true"], override: "attention-library=flash-2",
      meant: "attention-library: flash-2"),
    Pair(
      file: ["attention-library: flash-2"], override: "fused-attention=false",
      meant: "fused-attention: false"),
    Pair(
      file: ["layers-per-stage: even"], override: "units-per-stage=even",
      meant: "units-per-stage: even"),
    Pair(
      file: ["units-per-stage: even"], override: "layers-per-stage=balanced",
      meant: "layers-per-stage: balanced"),
    Pair(file: ["schedule-file: x.csv"], override: "schedule=gpipe", meant: "schedule: gpipe"),
    Pair(
      file: ["schedule: gpipe"], override: "schedule-file=/x.csv", meant: "schedule-file: /x.csv"),
    Pair(
      file: ["expert-load: {counts: /x.csv}"], override: "expert-load.deviation=0.25",
      meant: "expert-load: {deviation: 0.25}"),
    Pair(
      file: ["expert-load: {deviation: 0.25, seed: 3, correlation: {layers: 1}}"],
      override: "expert-load.counts=/x.csv", meant: "expert-load: {counts: /x.csv}"),
  ]

  @Test(arguments: pairs)
  func overridesReplaceTheOtherName(_ pair: Pair) throws {
    #expect(try Self.plan(pair.file, [pair.override]) == Self.plan([pair.meant]))
  }

  /// Both in the file, and both on the command line, are refused as ever.
  @Test(arguments: [
    ["fused-loss: true", "loss: fused"], ["fused-attention: true", "attention-library: flash-2"],
    ["layers-per-stage: even", "units-per-stage: even"],
    ["schedule: gpipe", "schedule-file: /x.csv"],
    ["expert-load: {counts: /x.csv, deviation: 0.1}"],
  ])
  func bothInOnePlaceAreRefused(_ lines: [String]) {
    #expect(throws: ConfigurationError.self) { try Self.plan(lines) }
    let given = lines.map { $0.replacing(": ", with: "=", maxReplacements: 1) }
    #expect(throws: ConfigurationError.self) { try Self.plan([], given) }
  }

  /// Every plan that ships takes every one of these names.
  @Test(arguments: Plan.shippedNames)
  func shippedPlansTakeEveryName(_ name: String) throws {
    for override in [
      "fused-attention=true", "attention-library=flash-2", "layers-per-stage=balanced",
      "units-per-stage=even",
    ] { _ = try Plan.named(name, overrides: [override]) }
    let plan = try Plan.named(name)
    guard plan.fusedHead == nil else { return }
    for override in ["loss=native", "fused-loss=false"] {
      #expect(try Plan.named(name, overrides: [override]).loss == .native)
    }
  }
}
