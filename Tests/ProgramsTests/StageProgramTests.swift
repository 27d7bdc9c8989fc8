import Models
import Plans
import Programs
import Testing

/// A machine that only keeps books: what is alive, what holds something, what is under way.
///
/// It stops at the first step that a real machine could not carry out.
struct Bookkeeper {
  let stage: StageProgram
  /// By the number of a buffer.
  private var alive: [Bool]
  private var written: [Bool]
  var flops = 0.0
  let rows: (Rows) -> Int

  init(_ stage: StageProgram, rows: @escaping (Rows) -> Int) {
    self.stage = stage
    self.rows = rows
    alive = stage.buffers.map { $0.scope == .stage }
    written = alive
  }

  mutating func receive(_ buffer: BufferID?) {
    guard let buffer else { return }
    begin(buffer)
    written[Int(buffer.index)] = true
  }

  mutating func send(_ buffer: BufferID?) {
    guard let buffer else { return }
    check(written[Int(buffer.index)], "\(name(buffer)) is sent but not written")
    end(buffer)
  }

  mutating func run(_ program: Program) {
    var underWay: Set<Int32> = []
    for step in program.steps {
      switch step {
      case .acquire(let id): begin(id)
      case .release(let id): end(id)
      case .compute(let index):
        let operation = program.operations[Int(index)]
        for id in operation.inputs { checkRead(id, operation) }
        for id in operation.outputs {
          check(
            alive[Int(id.index)], "\(name(id)) is written but not alive in \(operation)")
          written[Int(id.index)] = true
        }
        flops += operation.kernel.flops(rows: rows)
      case .start(let index):
        let transfer = program.transfers[Int(index)]
        for id in transfer.operands { check(alive[Int(id.index)], "\(name(id)) in a transfer") }
        for id in transfer.operands[transfer.outputCount...] {
          check(written[Int(id.index)], "\(name(id)) is sent but not written")
        }
        check(underWay.insert(index).inserted, "\(transfer.kind) is started twice")
      case .wait(let index):
        let transfer = program.transfers[Int(index)]
        check(underWay.remove(index) != nil, "\(transfer.kind) is waited for but not under way")
        for id in transfer.operands { check(alive[Int(id.index)], "\(name(id)) in a transfer") }
        for id in transfer.operands[..<transfer.outputCount] { written[Int(id.index)] = true }
      case .reduce: Issue.record("only closing passes start reductions")
      case .gatherAhead: break
      }
    }
    // The last reduction of a pass runs on beside what the rank does next.
    let left = underWay.filter { !program.transfers[Int($0)].kind.reducesGradients }
    check(left.isEmpty, "\(left.map { program.transfers[Int($0)].kind })")
  }

  private mutating func begin(_ id: BufferID) {
    check(!alive[Int(id.index)], "\(name(id)) is acquired twice")
    alive[Int(id.index)] = true
  }

  private mutating func end(_ id: BufferID) {
    check(alive[Int(id.index)], "\(name(id)) is released but not alive")
    alive[Int(id.index)] = false
    written[Int(id.index)] = false
  }

  private func checkRead(_ id: BufferID, _ operation: Operation) {
    check(alive[Int(id.index)], "\(name(id)) is read but not alive in \(operation)")
    check(written[Int(id.index)], "\(name(id)) is read but not written in \(operation)")
  }

  private func name(_ id: BufferID) -> String { stage.buffers[Int(id.index)].name }

  /// What is alive beside the stage's own buffers.
  var leftovers: [String] {
    zip(alive, stage.buffers).filter { $0 && $1.scope != .stage }.map(\.1.name).sorted()
  }
}

/// Records an issue where something does not hold: what is asked millions of times is too much for `#expect`.
func check(
  _ holds: Bool, _ issue: @autoclosure () -> String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  if !holds { Issue.record("\(issue())", sourceLocation: sourceLocation) }
}

extension TransferKind {
  /// It adds gradients up over copies of parameters.
  fileprivate var reducesGradients: Bool {
    switch self {
    case .reduceScatter(let group), .allReduce(let group):
      switch group {
      case .gradient, .expertGradient, .gradientShards, .expertShards, .gradientReplicas,
        .expertReplicas:
        true
      default: false
      }
    default: false
    }
  }
}

@Suite struct StageProgramTests {
  static func rows(_ rows: Rows, _ setting: LoweringSetting) -> Int {
    switch rows {
    case .fixed(let count): count
    case .received, .sent:
      setting.expertTokens * (setting.dispatcher == .allGather ? setting.expert : 1)
    case .routed: 2 * setting.expertTokens * setting.expertTensor
    case .gathered(let exchange, let ranks):
      Self.rows(.received(exchange: exchange), setting) * ranks
    }
  }

  static func settings() -> [LoweringSetting] {
    var list: [LoweringSetting] = []
    let recomputations: [Recomputation] = [
      .none, .full, .modules([.rmsNorm, .layerNorm, .gelu]),
      .modules([.rmsNorm, .latentUpProjection, .swiGLU]), .selective,
      .modules([.norm, .mlp, .moe]), .firstLayers(1),
    ]
    let recipes: [(Recipe, Target)] = [
      (.float32, .cpuRank), (.bfloat16, .device), (.deepSeekFloat8, .device),
    ]
    for (recipe, target) in recipes {
      for recomputation in recomputations {
        for (tensor, expert, expertTensor, sequenceParallel, zero) in [
          (1, 1, 1, false, 1), (1, 2, 1, false, 3), (2, 1, 1, true, 2), (2, 2, 1, false, 0),
          (2, 1, 2, true, 1), (2, 2, 2, true, 3),
        ] {
          list.append(
            LoweringSetting(
              sequences: 2, sequenceLength: 8, tensor: tensor, expert: expert,
              expertTensor: expertTensor, sequenceParallel: sequenceParallel, recipe: recipe,
              target: target, recomputation: recomputation,
              fusedAttention: recomputation != .selective,
              dropout: recomputation == .selective, zeroStage: zero, gradientCopies: 4,
              expertCopies: 4 / expert))
          if sequenceParallel {
            var other = list[list.count - 1]
            other.splitsTensorExchange = true
            list.append(other)
          }
          guard target == .device, expert > 1 else { continue }
          for dispatcher in [Plan.Dispatcher.allToAll, .allGather] {
            var other = list[list.count - 1]
            other.dispatcher = dispatcher
            list.append(other)
          }
        }
      }
    }
    return list
  }

  /// Cuts a model's units into stages of every size and checks every stage.
  static func stages(of model: Architecture) -> [[Unit]] {
    let units = model.units
    return [
      Array(units), Array(units[..<1]), Array(units[1..<2]), Array(units[1..<3]),
      Array(units[2...]), Array(units[(units.count - 1)...]),
    ]
  }

  @Test(arguments: TinyModels.all)
  func buffersLiveAsLongAsTheyAreUsed(model: Architecture) {
    for setting in Self.settings() {
      for units in Self.stages(of: model) {
        let stage = StageProgram(units: units, of: model, setting)
        for halves in [false, true] {
          var books = Bookkeeper(stage) { Self.rows($0, setting) }
          books.receive(stage.input)
          books.run(stage.forward)
          books.send(stage.output)
          books.receive(stage.outputGradient)
          if halves {
            books.run(stage.backwardInput)
            books.send(stage.inputGradient)
            books.run(stage.backwardWeight)
          } else {
            books.run(stage.backward)
            books.send(stage.inputGradient)
          }
          check(books.leftovers == [], "\(books.leftovers) \(model.name) \(units) \(setting)")
        }
      }
    }
  }

  /// Forward, input half and weight half of every product have the same FLOPs; attention's backward 5/2
  /// where keys and values are equally wide.
  @Test(arguments: TinyModels.all)
  func halvesHaveTheFLOPsOfTheWhole(model: Architecture) {
    for setting in Self.settings() {
      for units in Self.stages(of: model) {
        let stage = StageProgram(units: units, of: model, setting)
        func flops(_ program: Program) -> Double {
          program.operations.reduce(0) {
            $0 + $1.kernel.flops { Self.rows($0, setting) }
          }
        }
        #expect(
          flops(stage.backward) == flops(stage.backwardInput) + flops(stage.backwardWeight))
      }
    }
  }

  /// The weights that products read in FP8 are quantised once, behind the update: every linear map's and every
  /// expert's, no vector's, router's, embedding's or head's; nothing is in other recipes.
  @Test(arguments: TinyModels.all)
  func weightsAreQuantisedOnce(model: Architecture) {
    for setting in Self.settings() where setting.zeroStage < 3 {
      for units in Self.stages(of: model) {
        let stage = StageProgram(units: units, of: model, setting)
        let made = stage.settle.operations.map { $0.inputs[$0.inputs.startIndex] }
        guard setting.recipe == .deepSeekFloat8 else {
          #expect(made.isEmpty)
          continue
        }
        let kept: Set<ParameterTensor.Role> = [
          .router, .tokenEmbedding, .positionEmbedding, .head, .predictionTokenEmbedding,
          .predictionHead,
        ]
        let expected = stage.parameters.filter {
          $0.rows > 1 && $0.isTrained && kept.isDisjoint(with: $0.roles)
        }
        #expect(made == expected.map(\.buffer), "\(units)")
      }
    }
  }
}

extension StageProgramTests {
  /// Vectors, which are gains of norms and biases, get their gradients in the input half; the weight half
  /// writes matrices alone.
  @Test(arguments: TinyModels.all)
  func gainsAndBiasesBelongToTheInputHalf(model: Architecture) {
    for units in Self.stages(of: model) {
      let stage = StageProgram(
        units: units, of: model, LoweringSetting(sequences: 2, sequenceLength: 8))
      func isWritten(_ id: BufferID, by program: Program) -> Bool {
        program.operations.contains { $0.outputs.contains(id) }
      }
      for parameter in stage.parameters where parameter.isTrained && !parameter.isHeadOrTable {
        let isVector = parameter.rows == 1
        #expect(isWritten(parameter.gradient, by: stage.backwardInput) == isVector)
        #expect(isWritten(parameter.gradient, by: stage.backwardWeight) == !isVector)
        #expect(isWritten(parameter.gradient, by: stage.backward))
      }
    }
  }
}

extension StageParameter {
  /// A fused head has its gradient in the forward, a table of embeddings in the weight half.
  fileprivate var isHeadOrTable: Bool {
    let roles: [ParameterTensor.Role] = [
      .tokenEmbedding, .positionEmbedding, .head, .predictionTokenEmbedding, .predictionHead,
    ]
    return roles.contains { self.roles.contains($0) }
  }
}
