//! What a scrape is made of, where few products were bought: whoever keeps the series pays for each.

use elements_sim::{Customer, World};

use crate::IDLE;
use crate::shared::role::{customers_with_all, play_vendor};
use crate::shared::{Customers, Exporter, Result, Role, is_bought, products_by_number, scrape_sizes};

/// The argument that makes this program a vendor of whom few products were bought.
pub(super) const FEW: &str = "vendor-of-few";

/// Which part there may be of the series and bytes that every pair of a customer and a product would have.
const LIMIT: f64 = 0.25;

/// Plays the vendor.
pub(super) fn play() -> Result<()> {
    let world = customers_with_all(IDLE.customers);
    let few = world.customers.iter().enumerate().map(|(number, customer)| {
        let mut customer: Customer = customer.clone();
        for (nth, seats) in customer.seats.values_mut().enumerate() {
            if !is_bought(number, nth) {
                *seats = 0.into();
            }
        }
        customer
    });
    play_vendor(World::with(few), |_| ())
}

/// Prints a line for each way to choose the products, and returns whether the goal is reached.
pub(super) fn measure() -> Result<bool> {
    let columns = |name: &str, columns: [String; 3]| {
        println!("{name:<24} {:>10} {:>10} {:>10}", columns[0], columns[1], columns[2]);
    };
    println!(
        "\n{} customers × 22 products, 15 % of them bought; {LIMIT} is the goal for series and bytes",
        IDLE.customers
    );
    columns("", ["series", "bytes", "gzip"].map(str::to_owned));
    let vendor = Role::start(&[FEW])?;
    let every = sizes(&vendor, &products_by_number())?;
    columns("listed by number", every.map(|size| size.to_string()));
    let bought = sizes(&vendor, "all")?;
    columns("products: all", bought.map(|size| size.to_string()));
    let parts = [0, 1, 2].map(|column| f64::from(bought[column]) / f64::from(every[column]));
    columns("", parts.map(|part| format!("{part:.2}")));
    Ok(parts[0] <= LIMIT && parts[1] <= LIMIT)
}

/// The series, bytes and compressed bytes of a scrape, after every target was asked for.
fn sizes(vendor: &Role, products: &str) -> Result<[u32; 3]> {
    let (mut exporter, _) = Exporter::start(vendor, Customers { products, ..IDLE.customers() })?;
    exporter.logged("cycle ended")?;
    scrape_sizes(&exporter.address)
}
