import Models
import Plans
import Programs
import Testing

/// FP8 with one scale a tensor: what is cast, when, and what is kept of it.
@Suite struct TensorFloat8Tests {
  /// Two layers of the small Llama: 32 wide, 64 columns of queries, keys and values, 48 of feed-forward.
  static let (tokens, hidden, heads, width) = (16, 32, 64, 48)
  static let layers = 2

  static func stage(
    _ recipe: PrecisionRecipe, tensor: Int = 1, copies: Int = 4, zero: Int = 1,
    recomputation: Recomputation = .none, purpose: Purpose = .training
  ) -> StageProgram {
    let model = TinyModels.llama()
    var setting = LoweringSetting(
      sequences: 2, sequenceLength: 8, tensor: tensor, sequenceParallel: tensor > 1,
      recipe: Recipe(recipe), target: .device, recomputation: recomputation, fusedHead: false,
      zeroStage: zero, gradientCopies: copies, expertCopies: copies)
    setting.purpose = purpose
    return StageProgram(units: Array(model.units[1..<3]), of: model, setting)
  }

  static func changed(_ change: (inout PrecisionRecipe) -> Void) -> PrecisionRecipe {
    var recipe = PrecisionRecipe.tensorFP8
    change(&recipe)
    return recipe
  }

  static let current = changed { $0.scaling = .current }

  /// Numbers that conversions of a kind go over in a program.
  private func numbers(_ kind: Streaming, in program: Program) -> Int {
    program.operations.reduce(0) { sum, operation in
      guard case .convert(kind, .fixed(let rows), let columns, _, _) = operation.kernel else {
        return sum
      }
      return sum + rows * columns
    }
  }

  private func count(in program: Program, where isMatch: (Kernel) -> Bool) -> Int {
    program.operations.count { isMatch($0.kernel) }
  }

  // MARK: Casts

  /// With scales of passes before norms write FP8; inputs of the two row-parallel maps and all gradients
  /// are cast in both directions, and what norms wrote is transposed for the weight gradients.
  @Test func delayedCastsAreThoseOfInputsAndGradients() {
    let stage = Self.stage(.tensorFP8)
    let norms = count(in: stage.forward) {
      if case .quantizedNorm = $0 { true } else { false }
    }
    #expect(norms == 2 * Self.layers)
    #expect(
      numbers(.castTranspose, in: stage.forward)
        == Self.layers * Self.tokens * (Self.hidden + Self.width))
    #expect(
      numbers(.castTranspose, in: stage.backward)
        == Self.layers * Self.tokens * (Self.heads + 2 * Self.hidden + 2 * Self.width))
    #expect(
      numbers(.transpose, in: stage.backward) == Self.layers * Self.tokens * 2 * Self.hidden)
    for kind in [Streaming.quantize, .quantizeTranspose, .greatestMagnitude, .transpose] {
      #expect(numbers(kind, in: stage.forward) == 0, "\(kind)")
    }
  }

  /// With their own scales no norm writes FP8, and whatever is cast is read before for its scale.
  @Test func currentScalesReadTensorsFirst() {
    let stage = Self.stage(Self.current)
    let (forward, backward) = (
      Self.tokens * (3 * Self.hidden + Self.width),
      Self.tokens * (Self.heads + 2 * Self.hidden + 2 * Self.width)
    )
    for kind in [Streaming.castTranspose, .greatestMagnitude] {
      #expect(numbers(kind, in: stage.forward) == Self.layers * forward, "\(kind)")
      #expect(numbers(kind, in: stage.backward) == Self.layers * backward, "\(kind)")
    }
    #expect(numbers(.transpose, in: stage.backward) == 0)
    #expect(count(in: stage.forward) { if case .quantizedNorm = $0 { true } else { false } } == 0)
  }

  /// A forward without a backward, and one that is run again, write no columns.
  @Test func columnsAreWrittenWhereSomebodyReadsThem() {
    let evaluation = Self.stage(.tensorFP8, purpose: .evaluation)
    let again = Self.stage(.tensorFP8, recomputation: .full)
    for stage in [evaluation, again] {
      #expect(numbers(.castTranspose, in: stage.forward) == 0)
      #expect(
        numbers(.quantize, in: stage.forward)
          == Self.layers * Self.tokens * (Self.hidden + Self.width))
    }
    #expect(
      numbers(.castTranspose, in: again.backward)
        == Self.layers * Self.tokens * (Self.heads + 3 * Self.hidden + 3 * Self.width))
  }

  /// Products are those of BF16, whatever multiplies them.
  @Test(arguments: TinyModels.all)
  func operationsAreThoseOfBF16(model: Architecture) {
    func flops(_ recipe: PrecisionRecipe) -> [Double] {
      let setting = LoweringSetting(
        sequences: 2, sequenceLength: 8, expert: 2, recipe: Recipe(recipe), target: .device,
        fusedHead: false, gradientCopies: 4, expertCopies: 2)
      let stage = StageProgram(units: model.units, of: model, setting)
      return [stage.forward, stage.backward, stage.backwardInput, stage.backwardWeight].map {
        $0.operations.reduce(0) { sum, operation in
          sum + operation.kernel.flops { StageProgramTests.rows($0, setting) }
        }
      }
    }
    let wide = flops(.bfloat16)
    #expect(wide.allSatisfy { $0 > 0 })
    for recipe in [.tensorFP8, Self.current, .microFP8] { #expect(flops(recipe) == wide) }
  }

  // MARK: Weights

  private static let weightsOfLayer =
    hidden * (heads + hidden + 2 * width) + width * hidden

  private func bytes(_ stage: StageProgram) -> Int {
    stage.buffers.filter { $0.scope == .stage && $0.use == .parameter }.reduce(0) {
      if case .fixed(let rows) = $1.rows { $0 + rows * $1.bytesPerRow } else { $0 }
    }
  }

  /// Weights are cast behind the update and in no pass; beside the working copy lie one in rows and one in
  /// columns.
  @Test(arguments: [PrecisionRecipe.tensorFP8, current, .microFP8])
  func weightsAreCastOnceInAStep(recipe: PrecisionRecipe) {
    let stage = Self.stage(recipe)
    let weights = Self.layers * Self.weightsOfLayer
    #expect(numbers(.castTranspose, in: stage.settle) == weights)
    #expect(
      count(in: stage.settle) {
        if case .convert(.castTranspose, _, _, _, _) = $0 { true } else { false }
      } == 4 * Self.layers)
    #expect(
      numbers(.greatestMagnitude, in: stage.settle) == (recipe.scaling == .current ? weights : 0))
    let held = Set(stage.parameters.map(\.buffer))
    for program in [stage.forward, stage.backward, stage.backwardInput, stage.backwardWeight] {
      for operation in program.operations {
        guard case .convert = operation.kernel else { continue }
        #expect(operation.inputs.allSatisfy { !held.contains($0) }, "\(operation)")
      }
    }
    // A scale of 32 numbers takes a byte.
    let scales = recipe.scaling == .microscaling ? scaleBytes(stage) : 0
    #expect(bytes(stage) - bytes(Self.stage(.bfloat16)) == 2 * weights + scales)
  }

  private func scaleBytes(_ stage: StageProgram) -> Int {
    stage.parameters.filter { $0.rows > 1 }.reduce(0) {
      $0 + 2 * $1.rows * (($1.columns + 31) / 32)
    }
  }

  /// Weights that exist in FP8 alone take as much as in BF16, rows and columns together, and are gathered
  /// in half the bytes; all others as ever.
  @Test func weightsInFloat8AloneAreGatheredSo() throws {
    let (wide, narrow) = (
      Self.stage(.bfloat16), Self.stage(Self.changed { $0.keepsFloat8Weights = true })
    )
    #expect(bytes(narrow) == bytes(wide))
    let weights = Self.layers * Self.weightsOfLayer
    #expect(numbers(.transpose, in: narrow.settle) == weights)
    #expect(numbers(.castTranspose, in: narrow.settle) == 0)
    func gathered(_ stage: StageProgram) -> [Int: Int] {
      stage.update.transfers.reduce(into: [:]) { sums, transfer in
        let segment = stage.segments[transfer.segment]
        #expect(transfer.rows == .fixed(segment.shardElements))
        sums[transfer.bytesPerRow, default: 0] += segment.elements
      }
    }
    let norms = Self.layers * 2 * Self.hidden
    #expect(gathered(wide) == [2: weights + norms])
    #expect(gathered(narrow) == [1: weights, 2: norms])
    // An update writes a byte less of a weight.
    for (stage, least) in [(wide, 30), (narrow, 29)] {
      for (operation, segment) in zip(stage.update.operations, stage.segments) {
        let written = segment.elements == weights ? least : 30
        #expect(
          operation.kernel
            == .adamW(elements: segment.shardElements, bytes: written * segment.shardElements))
      }
    }
  }

  // MARK: Ranks

  /// A tensor group gathers rows and gradients in a byte a number, and scatters sums in two.
  @Test func tensorGroupsGatherInFloat8() {
    func bytes(
      _ recipe: PrecisionRecipe, _ program: (StageProgram) -> Program
    ) -> (gathered: [Int], scattered: [Int]) {
      let transfers = program(Self.stage(recipe, tensor: 2)).transfers
      return (
        transfers.filter { $0.kind == .allGather(.tensor) }.map(\.bytesPerRow),
        transfers.filter { $0.kind == .reduceScatter(.tensor) }.map(\.bytesPerRow)
      )
    }
    for program in [\StageProgram.forward, \.backward] {
      let (wide, narrow) = (
        bytes(.bfloat16) { $0[keyPath: program] }, bytes(.tensorFP8) { $0[keyPath: program] }
      )
      #expect(!wide.gathered.isEmpty && wide.gathered == narrow.gathered.map { 2 * $0 })
      #expect(!wide.scattered.isEmpty && wide.scattered == narrow.scattered)
      #expect(
        bytes(Self.changed { $0.tensorGather = .bfloat16 }) { $0[keyPath: program] }.gathered
          == wide.gathered)
    }
  }

  /// A tensor group agrees on the scale of what it gathers in FP8 where that is the tensor's own.
  @Test func tensorGroupsAgreeOnScales() {
    func agreements(_ recipe: PrecisionRecipe) -> [Int] {
      let stage = Self.stage(recipe, tensor: 2)
      return [stage.forward, stage.backward].map { program in
        program.transfers.count { $0.kind == .allReduce(.tensor) && $0.bytesPerRow == 4 }
      }
    }
    #expect(agreements(Self.current) == [2 * Self.layers, 2 * Self.layers])
    #expect(agreements(.tensorFP8) == [0, 0])
    #expect(
      agreements(
        Self.changed {
          $0.scaling = .current
          $0.tensorGather = .bfloat16
        }) == [0, 0])
  }

  /// Every pass ends with the agreement of all ranks of a position on three numbers a product forward, on two
  /// backward.
  @Test func ranksAgreeOnScales() {
    func agreed(_ stage: StageProgram) -> [Rows] {
      [stage.forward, stage.backward].flatMap(\.transfers)
        .filter { $0.kind == .allReduce(.position) }.map(\.rows)
    }
    let products = 4 * Self.layers
    #expect(agreed(Self.stage(.tensorFP8)) == [.fixed(3 * products), .fixed(2 * products)])
    #expect(agreed(Self.stage(.tensorFP8, copies: 1)).isEmpty)
    #expect(agreed(Self.stage(Self.current)).isEmpty)
    #expect(agreed(Self.stage(.microFP8)).isEmpty)
  }

  // MARK: Layers in BF16

  @Test func firstAndLastLayersStayWide() throws {
    let model = TinyModels.llama(layers: 4)
    var plan = Plan()
    plan.precision = Self.changed {
      $0.scaling = .current
      $0.wideFirstLayers = 1
      $0.wideLastLayers = 2
    }
    plan.sequenceLength = 8
    let layout = try plan.stageLayout(of: model)
    let setting = LoweringSetting(plan, layout, of: model, target: .device)
    let stage = StageProgram(units: model.units, of: model, setting)
    for program in [stage.forward, stage.backward] {
      let narrow = Set(
        program.operations.compactMap { operation in
          if case .matmul(let product) = operation.kernel, product.format.isFloat8 {
            return operation.layer
          }
          return nil
        })
      #expect(narrow == [1])
    }
    #expect(numbers(.castTranspose, in: stage.settle) == Self.weightsOfLayer)
  }
}
