/// The script that measures a device's kernels: Python, of which it needs PyTorch alone.
public enum Probe {
  public static var script: String { String(decoding: PackageResources.probe_py, as: UTF8.self) }
}
