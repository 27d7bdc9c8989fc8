import Models
import Plans
import Programs
import Testing

/// What PyTorch's collectives, torchtitan's attention and Megatron-LM's log add to a layer, by closed forms.
@Suite struct FrameworkCopyTests {
  private static func fixed(_ rows: Rows) -> Int {
    if case .fixed(let count) = rows { count } else { 0 }
  }

  /// Numbers that copies within a program move, each by itself.
  private static func copies(_ program: Program) -> [Int] {
    program.operations.compactMap {
      guard case .convert(.copy, let rows, let columns, _, _) = $0.kernel else { return nil }
      return fixed(rows) * columns
    }
  }

  /// Whole gathers and scatters of a tensor group's sequence.
  private static func wholeExchanges(_ program: Program) -> Int {
    program.transfers.count { $0.kind == .allGather(.tensor) || $0.kind == .reduceScatter(.tensor) }
  }

  /// Each whole gather and scatter has one copy of the whole sequence, whatever format it has; chunks have none.
  @Test(arguments: [2, 4], [false, true])
  func everyWholeExchangeIsCopied(tensor: Int, splits: Bool) {
    let model = TinyModels.llama(layers: 2)
    for recomputation in [Recomputation.none, .full] {
      for recipe in [Recipe.bfloat16, Recipe(.tensorFP8)] {
        func stage(_ copies: Bool) -> StageProgram {
          var setting = TensorChunkTests.setting(
            tensor, recomputation, splits: splits, recipe: recipe)
          setting.copiesTensorExchanges = copies
          return StageProgram(units: model.units, of: model, setting)
        }
        let (plain, copied) = (stage(false), stage(true))
        for (before, after) in [
          (plain.forward, copied.forward), (plain.backward, copied.backward),
        ] {
          #expect(Self.wholeExchanges(before) == Self.wholeExchanges(after))
          let (few, many) = (Self.copies(before), Self.copies(after))
          #expect(many.count - few.count == Self.wholeExchanges(after))
          // 2 sequences of 8 tokens, 32 columns.
          #expect(many.reduce(0, +) - few.reduce(0, +) == 16 * 32 * Self.wholeExchanges(after))
        }
        #expect(splits || Self.wholeExchanges(copied.forward) > 4)
      }
    }
  }

  /// Keys and values are read once and written for every query head; backward their gradients the other way, and once more
  /// forward where they were kept as they came.
  @Test func keysAreRepeated() {
    let model = TinyModels.llama(layers: 1)
    func copied(_ repeats: Bool, _ recomputation: Recomputation) -> [Int] {
      var setting = LoweringSetting(
        sequences: 2, sequenceLength: 8, recipe: .bfloat16, target: .device,
        recomputation: recomputation, fusedHead: false)
      setting.copiesKeyHeads = repeats
      let stage = StageProgram(units: [.layer(0)], of: model, setting)
      return [stage.forward, stage.backward].map { Self.copies($0).reduce(0, +) }
    }
    // 16 tokens; 2 heads of keys and 4 of queries, 8 wide: 16 columns read and 32 written, of each two. A copy of n numbers
    // reads n and writes n.
    let once = 16 * 2 * (16 + 32) / 2
    for (recomputation, backwards) in [
      (Recomputation.none, 1), (.full, 2), (.modules([.rmsNorm, .swiGLU]), 2),
      (.firstLayers(0), 1),
    ] {
      let (plain, repeated) = (copied(false, recomputation), copied(true, recomputation))
      #expect(repeated[0] - plain[0] == once, "\(recomputation)")
      #expect(repeated[1] - plain[1] == backwards * once, "\(recomputation)")
    }
  }

  /// One number is added up over all copies behind a forward that ends with a loss, and none elsewhere.
  @Test func lossIsAveragedBehindTheForward() {
    let model = TinyModels.llama(layers: 1)
    func averages(_ units: [Unit], copies: Int) -> [Transfer] {
      var setting = LoweringSetting(
        sequences: 2, sequenceLength: 8, recipe: .bfloat16, target: .device, fusedHead: false,
        gradientCopies: copies)
      setting.averagesLoss = true
      let stage = StageProgram(units: units, of: model, setting)
      #expect(!stage.backward.transfers.contains { $0.kind == .allReduce(.gradient) })
      return stage.forward.transfers.filter { $0.kind == .allReduce(.gradient) }
    }
    let found = averages([.layer(0), .head], copies: 4)
    #expect(found.count == 1 && found[0].bytesPerRow == 4 && found[0].rows == .fixed(1))
    #expect(averages([.layer(0), .head], copies: 1).isEmpty)
    #expect(averages([.embedding, .layer(0)], copies: 4).isEmpty)
  }
}
