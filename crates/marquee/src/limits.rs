//! How often somebody may fail to sign in, sign up, or have mail sent.

use clap::Args;

/// The limits of accounts, as flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits that a normal client never meets")]
pub(crate) struct SignLimits {
    /// Failed sign-ins allowed per account in 15 minutes
    #[arg(
        long,
        env = "SIGNIN_LIMIT_ACCOUNT",
        default_value_t = 10,
        global = true,
        value_name = "N",
        hide_short_help = true
    )]
    signin_limit_account: u32,
    /// Failed sign-ins allowed per address in 15 minutes
    #[arg(
        long,
        env = "SIGNIN_LIMIT_ADDRESS",
        default_value_t = 100,
        global = true,
        value_name = "N",
        hide_short_help = true
    )]
    signin_limit_address: u32,
    /// Sign-ups allowed per address in an hour
    #[arg(
        long,
        env = "SIGNUP_LIMIT_ADDRESS",
        default_value_t = 300,
        global = true,
        value_name = "N",
        hide_short_help = true
    )]
    signup_limit_address: u32,
    /// Mails to verify addresses that a user has sent in an hour
    #[arg(
        long,
        env = "MAIL_LIMIT_USER",
        default_value_t = 6,
        global = true,
        value_name = "N",
        hide_short_help = true
    )]
    mail_limit_user: u32,
    /// Mails of each kind that an address is sent in an hour
    #[arg(
        long,
        env = "MAIL_LIMIT_ADDRESS",
        default_value_t = 10,
        global = true,
        value_name = "N",
        hide_short_help = true
    )]
    mail_limit_address: u32,
    /// Mails to choose a password that a network asks for in an hour
    #[arg(
        long,
        env = "MAIL_LIMIT_NETWORK",
        default_value_t = 300,
        global = true,
        value_name = "N",
        hide_short_help = true
    )]
    mail_limit_network: u32,
}

impl SignLimits {
    /// As accounts takes them; their windows are not to be set.
    pub(crate) fn limits(&self) -> accounts::Limits {
        accounts::Limits {
            failures_per_account: self.signin_limit_account,
            failures_per_address: self.signin_limit_address,
            sign_ups_per_address: self.signup_limit_address,
            mails_per_user: self.mail_limit_user,
            mails_per_address: self.mail_limit_address,
            mails_per_network: self.mail_limit_network,
            ..accounts::Limits::default()
        }
    }
}
