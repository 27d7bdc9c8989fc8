import Clusters
import Documents

extension PrecisionRecipe {
  /// The recipe of a name; nil if there is none.
  public static func named(_ name: String) -> PrecisionRecipe? { all.first { $0.name == name } }
}

extension PlanReader {
  /// A recipe's name, or a table with `base` and the formats that differ from it.
  func readPrecision() throws(ConfigurationError) -> PrecisionRecipe {
    let keys = keys.precision
    switch try table.either(keys) {
    case nil: return .bfloat16
    case .plain(let recipe): return recipe
    case .table(let formats): return try readPrecision(formats, keys.keys)
    case .tables: preconditionFailure("a precision is one table")
    }
  }

  private func readPrecision(
    _ formats: Table, _ keys: PrecisionKeys
  ) throws(ConfigurationError) -> PrecisionRecipe {
    var recipe = try formats.required(keys.base)
    recipe.name = try formats.value(keys.name, default: recipe.name)
    for format in keys.formats {
      recipe[keyPath: format.path] = try formats.value(
        format.key, default: recipe[keyPath: format.path])
    }
    if let format = try formats.optional(keys.masterWeights) {
      recipe.masterWeights = format.format
    }
    recipe.scaleBlock = try formats.value(keys.scaleBlock, default: recipe.scaleBlock)
    recipe.scaling = try formats.value(keys.scaling, default: recipe.scaling)
    recipe.keepsFloat8Weights = try formats.value(
      keys.keepsFloat8Weights, default: recipe.keepsFloat8Weights)
    recipe.wideFirstLayers = try formats.value(
      keys.wideFirstLayers, default: recipe.wideFirstLayers)
    recipe.wideLastLayers = try formats.value(keys.wideLastLayers, default: recipe.wideLastLayers)
    return recipe
  }

  /// The library of matrix products: one for the format of the plan's linear operands.
  func readLibrary() throws(ConfigurationError) -> MatmulLibrary? {
    let library = try table.optional(keys.library)
    let operands = plan.precision.linearOperands
    guard let library, library.isFP8 != (operands == .e4m3) else { return library }
    throw table.error(
      "multiplies \(library.isFP8 ? "FP8" : "16-bit") operands, and those of the plan's linear maps "
        + "are \(operands.rawValue)", at: keys.library)
  }
}
