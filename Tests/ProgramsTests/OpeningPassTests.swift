import Models
import Plans
import Programs
import Testing

/// Parameters that are gathered ahead of the forward which reads them.
@Suite struct OpeningPassTests {
  private func stage(
    ahead: Bool, bucket: Int? = 3000, zero: Int = 1, recipe: Recipe = .bfloat16
  ) -> StageProgram {
    let model = TinyModels.deepSeek()
    var setting = LoweringSetting(
      sequences: 1, sequenceLength: 8, recipe: recipe, target: .device, fusedHead: false,
      zeroStage: zero, gradientCopies: 4, expertCopies: 2)
    setting.bucketElements = bucket
    setting.gathersAheadOfForward = ahead
    return StageProgram(units: model.units, of: model, setting)
  }

  /// A recipe whose parameters travel in another format than they are kept in.
  private static let converted: Recipe = {
    var precision = PrecisionRecipe.bfloat16
    precision.parameterGather = .float32
    return Recipe(precision)
  }()

  /// The same gathers and conversions, elsewhere: the update has none, and the forward computes what it did.
  @Test(arguments: [1, 2], [false, true]) func nothingIsLostOrAdded(zero: Int, converts: Bool) {
    let recipe = converts ? Self.converted : .bfloat16
    let behind = stage(ahead: false, zero: zero, recipe: recipe)
    let ahead = stage(ahead: true, zero: zero, recipe: recipe)
    #expect(!behind.update.transfers.isEmpty && behind.gather == Program())
    #expect(ahead.update.transfers.isEmpty && ahead.update.operations == behind.update.operations)
    #expect(
      ahead.update.steps.allSatisfy { if case .compute = $0 { true } else { false } })
    #expect(Set(ahead.gather.transfers) == Set(behind.update.transfers))
    #expect(ahead.gather.transfers.count == behind.update.transfers.count)
    let opening = ahead.openingForward
    #expect(opening.operations == behind.forward.operations + behind.settle.operations)
    #expect(opening.transfers == behind.forward.transfers + ahead.gather.transfers)
    #expect(ahead.settle.operations.isEmpty == !converts)
    let (operations, transfers) = (
      behind.forward.operations.count, behind.forward.transfers.count
    )
    let released = Set(
      behind.settle.steps.compactMap { if case .release(let id) = $0 { id } else { nil } })
    let rest = opening.steps.filter { step in
      switch step {
      case .wait(let index): Int(index) < transfers
      case .compute(let index): Int(index) < operations
      case .release(let id): !released.contains(id)
      default: true
      }
    }
    #expect(rest == behind.forward.steps)
    #expect(ahead.forward == behind.forward && ahead.backward == behind.backward)
  }

  /// Every gather is waited for once, before anything reads or converts what it brings.
  @Test(arguments: [1, 3000, 1 << 30], [false, true])
  func parametersAreReadWhenTheyHaveCome(bucket: Int, converts: Bool) {
    let stage = stage(ahead: true, bucket: bucket, recipe: converts ? Self.converted : .bfloat16)
    let (opening, own) = (stage.openingForward, stage.forward.transfers.count)
    /// What may not be read yet.
    var missing: Set<BufferID> = []
    for transfer in stage.gather.transfers {
      missing.formUnion(transfer.operands[..<transfer.outputCount])
      missing.formUnion(
        stage.segments[transfer.segment].parameters.map { stage.parameters[$0].buffer })
    }
    var waited: [Int] = []
    for step in opening.steps {
      switch step {
      case .wait(let index) where Int(index) >= own:
        waited.append(Int(index) - own)
        let transfer = opening.transfers[Int(index)]
        missing.subtract(transfer.operands[..<transfer.outputCount])
      case .compute(let index):
        let operation = opening.operations[Int(index)]
        #expect(operation.inputs.allSatisfy { !missing.contains($0) }, "\(operation.kernel)")
        missing.subtract(operation.outputs)
      default: break
      }
    }
    #expect(waited == Array(stage.gather.transfers.indices), "gathers go in the forward's order")
    #expect(missing.isEmpty)
    // The first layer computes while the last one's parameters are under way.
    if bucket == 1, !converts, let last = waited.last {
      let place = opening.steps.firstIndex(of: .wait(Int32(own + last))) ?? 0
      #expect(place > opening.steps.count / 2)
    }
  }

  /// What is taken for an arriving parameter in another format is given back behind its conversion.
  @Test func arrivingParametersAreGivenBack() {
    let stage = stage(ahead: true, recipe: Self.converted)
    func buffers(_ steps: [Step], _ isAcquire: Bool) -> [BufferID] {
      steps.compactMap { step in
        switch step {
        case .acquire(let id): isAcquire ? id : nil
        case .release(let id): isAcquire ? nil : id
        default: nil
        }
      }
    }
    let taken = buffers(stage.gather.steps, true)
    #expect(!taken.isEmpty && Set(taken).count == taken.count)
    let given = buffers(stage.openingForward.steps, false)
    #expect(taken.allSatisfy { id in given.count { $0 == id } == 1 })
  }
}
