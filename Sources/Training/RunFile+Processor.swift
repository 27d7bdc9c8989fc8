import Checkpoints
import Kernels
import Runs

extension RunFile {
  /// The run's settings, and by which kernels of the library it multiplies on this processor: others add
  /// up in another order.
  var settingsHere: RunSettings {
    let core = RunSettings.Setting(name: "OPENBLAS_CORETYPE", value: matmulCoreName())
    return RunSettings(settings: [core] + settings.settings)
  }
}
