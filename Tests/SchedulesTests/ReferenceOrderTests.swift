import Schedules
import Testing

/// Orders recorded from PyTorch and DualPipe must come out exactly, and so must their lowered forms.
@Suite struct ReferenceOrderTests {
  struct Reference: CustomStringConvertible, Sendable {
    var folder: String
    var file: String
    var name: ScheduleName
    var ranks: Int
    var stagesPerRank: Int?
    var microbatches: Int
    var description: String { "\(folder)/\(file)" }
  }

  static let names: [String: ScheduleName] = [
    "GPipe": .gpipe, "1F1B": .oneForwardOneBackward,
    "Interleaved1F1B": .interleavedOneForwardOneBackward, "LoopedBFS": .loopedBreadthFirst,
    "InterleavedZeroBubble": .interleavedZeroBubble, "ZBVZeroBubble": .zeroBubbleV,
    "DualPipe": .dualPipe, "DualPipeV": .dualPipeV,
  ]

  static let references: [Reference] = ["pytorch", "dualpipe"].flatMap { folder in
    ((try? Fixture.files("\(folder)/compute")) ?? []).compactMap { file -> Reference? in
      let parts = file.dropLast(4).split(separator: "_")
      func number(_ prefix: String) -> Int? {
        parts.first { $0.hasPrefix(prefix) }.flatMap { Int($0.dropFirst(prefix.count)) }
      }
      guard let name = names[String(parts[0])], let ranks = number("pp"),
        let microbatches = number("mb")
      else { return nil }
      return Reference(
        folder: folder, file: file, name: name, ranks: ranks, stagesPerRank: number("v"),
        microbatches: microbatches)
    }
  }

  @Test func allAreHere() { #expect(Self.references.count == 82) }

  @Test(arguments: references) func computeOrder(_ reference: Reference) throws {
    let text = try Fixture.text("\(reference.folder)/compute/\(reference.file)")
    let made = try reference.name.schedule(
      ranks: reference.ranks, stagesPerRank: reference.stagesPerRank,
      microbatches: reference.microbatches)
    #expect(made.csv == text)
    let read = try Schedule(csv: text)
    #expect(read == made)
    try read.validate()
  }

  @Test(arguments: references) func loweredOrder(_ reference: Reference) throws {
    let text = try Fixture.text("\(reference.folder)/with-send-receive/\(reference.file)")
    let made = try reference.name.schedule(
      ranks: reference.ranks, stagesPerRank: reference.stagesPerRank,
      microbatches: reference.microbatches)
    let lowered = try made.lowered(reference.folder == "pytorch" ? .eager : .batched)
    #expect(lowered.csv == text)
    #expect(try Schedule(csv: text) == lowered)
    try lowered.validate()
  }
}
