import Models

/// All that one stage performs: its buffers, its parameters and a program per pass.
public struct StageProgram: Hashable, Sendable {
  public var buffers: [Buffer]
  public var parameters: [StageParameter]
  public var forward: Program
  public var backward: Program
  public var backwardInput: Program
  public var backwardWeight: Program
  /// The last passes of a step that add to the gradients, which start each reduction as soon as what it
  /// reads is written: a whole backward, and a weight half.
  public var closingBackward = Program()
  public var closingBackwardWeight = Program()
  /// Starts the reduction of the gradients over their copies.
  public var reduce = Program()
  /// The steps of `reduce` that belong to each segment.
  public var reductionParts: [Range<Int>] = []
  /// Waits for it and sums the squares of what this rank owns; transfers are those of `reduce`.
  public var norm = Program()
  /// Updates what this rank owns and starts to gather the parameters.
  public var update = Program()
  /// Waits for the parameters and makes of them what products read; transfers are those of `update`, or of
  /// `gather`.
  public var settle = Program()
  /// Starts to gather what the step before has updated, where that happens ahead of the forward.
  public var gather = Program()
  /// The first forward of a step, which waits for those gathers; else empty.
  public var openingForward = Program()
  /// By parameter: its gradient's sums beside the first, where microbatches are added up in lanes.
  var lanePlaces: [[BufferID]] = []
  /// Sums of each gradient that its reduction adds up; more than one where a copy's lanes are no power of
  /// two.
  public internal(set) var contributedSums = 1
  /// What is reduced and owned together.
  public var segments: [GradientSegment] = []
  /// The activation that arrives and the one that leaves, with their gradients; none at the ends.
  public var input: BufferID?
  public var output: BufferID?
  public var inputGradient: BufferID?
  public var outputGradient: BufferID?
  /// Mixture layers in the stage.
  public var exchangeCount: Int

  /// The transfers of all its programs.
  public var transfers: [Transfer] {
    let programs = [
      forward, backward, backwardInput, backwardWeight, closingBackward, closingBackwardWeight,
      openingForward, reduce, norm, update, settle, gather,
    ]
    return programs.flatMap(\.transfers)
  }

  /// The passes of the stage that holds `units`, without what follows them: no reductions, no update, no
  /// gathers, no passes that close or open a step.
  public init(
    passesOf units: [Unit], of architecture: Architecture, _ setting: LoweringSetting
  ) {
    self = StageLowering.program(
      for: GraphBuilder.graph(of: units, architecture, setting), setting)
  }

  /// Lowers the stage that holds `units`.
  public init(units: [Unit], of architecture: Architecture, _ setting: LoweringSetting) {
    self.init(passesOf: units, of: architecture, setting)
    guard setting.purpose == .training else { return }
    addOptimizer(setting, architecture)
    if setting.gathersAheadOfForward { gatherAheadOfForward() }
    addClosingPasses()
    if setting.lanes > 1 {
      addLanes(setting.lanes, sums: setting.laneSums, setting.recipe.gradient)
    }
  }

  init(
    lowering: StageLowering, buffers: [Buffer], forward: Program, backward: Program,
    backwardInput: Program, backwardWeight: Program
  ) {
    self.buffers = buffers
    self.parameters = lowering.parameters
    self.forward = forward
    self.backward = backward
    self.backwardInput = backwardInput
    self.backwardWeight = backwardWeight
    input = lowering.input
    output = lowering.output
    inputGradient = lowering.inputGradient
    outputGradient = lowering.outputGradient
    exchangeCount = lowering.graph.exchangeCount
  }
}
