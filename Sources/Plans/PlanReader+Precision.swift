import Clusters
import Documents
import Quantities

extension PrecisionRecipe {
  /// The formats by their keys in plan files, in the order in which they are printed.
  static var keys: [(key: String, path: WritableKeyPath<PrecisionRecipe, NumberFormat>)] {
    [
      ("linear-weights", \.linearWeights), ("other-parameters", \.otherParameters),
      ("gradients", \.gradients), ("moments", \.moments), ("linear-operands", \.linearOperands),
      ("attention-operands", \.attentionOperands), ("head-operands", \.headOperands),
      ("activations", \.activations), ("kept-linear-inputs", \.keptLinearInputs),
      ("kept-attention-outputs", \.keptAttentionOutputs),
      ("kept-activation-inputs", \.keptActivationInputs), ("dispatch", \.dispatch),
      ("combine", \.combine), ("pipeline-sends", \.pipelineSends),
      ("gradient-reduction", \.gradientReduction), ("parameter-gather", \.parameterGather),
    ]
  }

  /// The recipe of a name; nil if there is none.
  public static func named(_ name: String) -> PrecisionRecipe? { all.first { $0.name == name } }
}

extension PlanReader {
  /// A recipe's name, or a table with `base` and the formats that differ from it.
  func readPrecision() throws(ConfigurationError) -> PrecisionRecipe {
    guard let field = table.field("precision"), !field.isNull else { return .bfloat16 }
    guard field.isTable else { return try table.required("precision", .recipe) }
    let formats = try table.table("precision")
    var recipe = try formats.required("base", .recipe)
    recipe.name = try formats.value("name", .string, default: recipe.name)
    for (key, path) in PrecisionRecipe.keys {
      recipe[keyPath: path] = try formats.value(
        key, .choice(NumberFormat.self), default: recipe[keyPath: path])
    }
    if let format = try formats.optional("master-weights", .choice(MasterFormat.self)) {
      recipe.masterWeights = format.format
    }
    recipe.scaleBlock = try formats.value(
      "scale-block", .integer(in: 1...(1 << 20)), default: recipe.scaleBlock)
    return recipe
  }

  /// The library of matrix products: one for the format of the plan's linear operands.
  func readLibrary() throws(ConfigurationError) -> MatmulLibrary? {
    let library = try table.optional("library", .choice(MatmulLibrary.self))
    let operands = plan.precision.linearOperands
    guard let library, library.isFP8 != (operands == .e4m3) else { return library }
    throw table.error(
      "multiplies \(library.isFP8 ? "FP8" : "16-bit") operands, and those of the plan's linear maps "
        + "are \(operands.rawValue)", at: "library")
  }
}

/// The formats of master weights, or that there are none.
private enum MasterFormat: String, CaseIterable {
  case none, float32, bf16

  var format: NumberFormat? { NumberFormat(rawValue: rawValue) }
}

extension Expected where Value == PrecisionRecipe {
  /// The name of a recipe.
  fileprivate static var recipe: Expected {
    Expected<RecipeName>.choice().map(\.recipe)
  }
}

/// The names of the recipes that plan files can ask for.
private enum RecipeName: String, CaseIterable {
  case float32
  case bf16
  case deepSeekFP8 = "fp8-deepseek"

  var recipe: PrecisionRecipe {
    switch self {
    case .float32: .float32
    case .bf16: .bfloat16
    case .deepSeekFP8: .deepSeekFP8
    }
  }
}
