import Models
import Plans
import Testing

import Programs

/// How experts are divided and reached decides nothing of stages that hold none.
@Suite struct ExpertSettingTests {
  @Test(arguments: [Recomputation.none, .full, .modules([.rmsNorm, .swiGLU])])
  func stagesWithoutExpertsAreTheSame(_ recomputation: Recomputation) throws {
    let model = try Architecture.named("deepseek-v3")
    #expect(model.layers[1].feedForward.mixture == nil)
    var one = LoweringSetting(
      sequences: 1, sequenceLength: 512, tensor: 2, sequenceParallel: true,
      recipe: .deepSeekFloat8,
      target: .device, recomputation: recomputation)
    one.splitsTensorExchange = true
    var other = one
    (other.expert, other.expertTensor, other.dispatcher) = (8, 2, .allToAll)
    for units: [Unit] in [
      [.embedding], [.layer(0)], [.embedding, .layer(0)], [.layer(0), .layer(1)], [.head],
    ] {
      #expect(
        StageProgram(units: units, of: model, one) == StageProgram(units: units, of: model, other))
    }
    // With experts they do.
    let mixture = [Unit.layer(model.layers.count - 1)]
    #expect(
      StageProgram(passesOf: mixture, of: model, one)
        != StageProgram(passesOf: mixture, of: model, other))
  }

  /// The passes by themselves are those of the whole program.
  @Test func passesAreThoseOfTheStage() throws {
    let model = try Architecture.named("llama-3.1-8b")
    let setting = LoweringSetting(
      sequences: 1, sequenceLength: 512, recipe: .bfloat16, target: .device)
    let units = [Unit.embedding, .layer(0)]
    let whole = StageProgram(units: units, of: model, setting)
    let passes = StageProgram(passesOf: units, of: model, setting)
    #expect(passes.forward == whole.forward && passes.backward == whole.backward)
    #expect(passes.backwardInput == whole.backwardInput)
    #expect(passes.backwardWeight == whole.backwardWeight)
    #expect(passes.update.operations.isEmpty && !whole.update.operations.isEmpty)
  }
}
